"""Whatever is given to a tool of whatever shape fits, or is InvalidArguments, in short words and time."""

import sys
import time

import pytest

from long.hostile import EXTREMES, inputs
from long.shapes import TOOLS
from toolcase import InvalidArguments

SECONDS = 0.25
SECONDS_MEASURED = 2.0
"""Where coverage is measured, as in every common run, Python takes several times as long."""
CHARACTERS = 2_000
SECRETIVE = {"secretive", "model"}


def faults(pairs, seconds=SECONDS_MEASURED):
    """What went wrong: another exception, too much time, or a message that is long or unprintable."""
    found, refusals = [], 0
    for number, (made, given) in enumerate(pairs):
        begun, said = time.thread_time(), ""
        try:
            made.schema.validate(given)
        except InvalidArguments as error:
            said, refusals = str(error) + error.without_values, refusals + 1
        except BaseException as error:
            found.append(f"{number} {made.name}: {type(error).__name__}")
        if (spent := time.thread_time() - begun) > seconds:
            found.append(f"{number} {made.name}: {spent:.2f} s")
        if (
            len(said) > 2 * CHARACTERS
            or not said.isprintable()
            or (made.name in SECRETIVE and "hunter2" in said)
        ):
            found.append(f"{number} {made.name}: said {said!r:.300}")
    return found, refusals


@pytest.fixture(autouse=True, scope="module")
def built():
    """Schemas are built before the clock runs, and nobody prints what a hostile object raised unseen."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    for made in TOOLS:
        made.schema.validate  # noqa: B018
    yield
    sys.unraisablehook = before


def test_a_sample_of_hostile_input_is_refused_or_fits():
    found, refusals = faults(inputs(1, 2_000))

    assert not found, found[:10]
    assert refusals > 1_000


@pytest.mark.long
def test_a_hundred_thousand_hostile_inputs_are_refused_or_fit():
    found, _ = faults(inputs(2, 100_000), SECONDS)

    assert not found, found[:50]


@pytest.mark.parametrize("made", TOOLS, ids=lambda made: made.name)
def test_the_extremes_are_refused_by_all_that_do_not_take_anything(made):
    found, refusals = faults((made, make()) for make in EXTREMES.values())

    assert not found, found
    assert refusals == len(EXTREMES) or made.name in TAKES_FURTHER


TAKES_FURTHER = {"anything", "further", "open"}
