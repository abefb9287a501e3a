"""Quantiles are right within one percent, whatever comes, in bounded memory."""

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolcase.observability.sketch import ERROR, LEAST_SECONDS, MOST_SECONDS, Sketch

PARTS = (0.0, 0.25, 0.5, 0.95, 0.99, 1.0)


def sketched(durations):
    sketch = Sketch()
    for seconds in durations:
        sketch.add(seconds)
    return sketch


@given(st.lists(st.floats(LEAST_SECONDS * 2, MOST_SECONDS / 2), min_size=1))
def test_each_quantile_is_within_the_error_of_the_true_one(durations):
    found = sketched(durations).quantiles(PARTS)

    durations.sort()
    true = [durations[math.floor(part * (len(durations) - 1))] for part in PARTS]
    assert found == pytest.approx(true, rel=ERROR * 1.000001)


@given(st.lists(st.floats(0), min_size=1))
def test_quantiles_never_fall(durations):
    found = sketched(durations).quantiles(PARTS)

    assert found == sorted(found)


def test_of_nothing_there_are_none():
    assert all(map(math.isnan, Sketch().quantiles(PARTS)))


def test_what_took_no_time_took_none():
    assert sketched([0.0, 0.0, -1e-9]).quantiles([0.5]) == [0.0]


def test_what_took_longer_than_all_counts_as_the_longest():
    assert sketched([MOST_SECONDS * 100, math.inf]).quantiles([1.0]) == pytest.approx(
        [MOST_SECONDS], rel=0.03
    )


def test_memory_is_bounded():
    sketch = Sketch()

    for power in range(-4_000, 4_000):
        sketch.add(10 ** (power / 100))

    assert len(sketch._counts) <= 1_384


def test_is_read_while_another_thread_adds():
    sketch, going = Sketch(), threading.Event()

    def add():
        for number in range(20_000):
            sketch.add(1.0001**number)
        going.set()

    writer = threading.Thread(target=add)
    writer.start()
    while not going.is_set():
        sketch.quantiles(PARTS)
    writer.join()

    assert sum(sketch._counts.values()) == 20_000
