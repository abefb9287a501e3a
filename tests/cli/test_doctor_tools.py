"""What doctor says of tools, and of what stands around them."""

import math

import pytest

from toolcase import Registry, Stage, tool
from toolcase.cli.doctor_tools import look_at
from toolcase.retry import RetryPolicy
from toolcase.runtime import RetryMiddleware, TimeoutMiddleware, production


@tool(idempotent=True)
async def known():
    """Whether it is idempotent was said."""


@tool
async def unknown():
    """Nothing was said of it."""


@tool(timeout=1, read_only=True)
async def bounded():
    """It has a limit of its own."""


def said_of(*tools, around=()):
    """What is said of each, by its name."""
    registry = Registry()
    registry.use(*around)
    registry.add(*tools)
    return {(check.about, check.mark.value): check.said for check in look_at(registry)}


def test_the_tools_are_counted():
    assert said_of() == {("tools", "ok"): "0"}


@pytest.mark.parametrize("one", [known, bounded])
def test_nothing_is_said_of_the_default_stack(one):
    assert said_of(one, around=production()) == {("tools", "ok"): "1"}


def test_a_tool_tried_again_of_which_nobody_said_that_it_may_be():
    said = said_of(known, unknown, bounded, around=production())

    assert said["unknown", "warn"] == "it is tried again, and nobody said whether it may be"


def test_one_attempt_is_no_retry():
    assert ("unknown", "warn") not in said_of(unknown, around=production(attempts=1))


def test_tools_of_which_the_same_is_said_share_a_line():
    assert said_of(known, unknown)["known, unknown", "warn"] == "nothing ends it when it hangs"


def test_a_limit_of_its_own_is_one():
    assert ("bounded", "warn") not in said_of(bounded)


def test_an_endless_limit_is_none():
    assert ("known", "warn") in said_of(known, around=[TimeoutMiddleware(math.inf)])


def test_retries_inside_each_other_multiply():
    around = [TimeoutMiddleware(9), RetryMiddleware(), RetryMiddleware(), TimeoutMiddleware(1)]

    said = said_of(known, around=around)["known", "warn"]

    assert said == "the attempts of RetryMiddleware(3 attempts) and RetryMiddleware(3 attempts) multiply"


def test_what_stands_on_the_wrong_side_of_a_retry():
    class Watches:
        stage, inside_retry = Stage.ACT, True

        async def __call__(self, call, inner):
            return await inner(call)

    around = [Watches(), RetryMiddleware(), TimeoutMiddleware(1)]

    assert said_of(known, around=around)["known", "warn"] == "Watches is outside RetryMiddleware(3 attempts)"


def test_around_one_attempt_there_is_no_wrong_side():
    class Watches:
        stage, inside_retry = Stage.ACT, True

        async def __call__(self, call, inner):
            return await inner(call)

    around = [Watches(), RetryMiddleware(RetryPolicy(max_attempts=1)), TimeoutMiddleware(1)]

    assert ("known", "warn") not in said_of(known, around=around)


def test_any_middleware_may_say_that_it_repeats():
    class Again:
        stage, repeats = Stage.ACT, True

        async def __call__(self, call, inner):
            return await inner(call)

    said = said_of(unknown, around=[Again(), TimeoutMiddleware(1)])

    assert said["unknown", "warn"].startswith("it is tried again")


def test_a_limit_around_retries_alone_lets_one_attempt_use_it_up():
    said = said_of(known, around=[TimeoutMiddleware(9), RetryMiddleware()])

    assert said["known", "warn"].startswith("its limit of time is for all attempts together")


def test_with_a_limit_of_its_own_each_attempt_is_bounded():
    assert ("bounded", "warn") not in said_of(bounded, around=[TimeoutMiddleware(9), RetryMiddleware()])


def test_a_limit_inside_a_shorter_one_never_has_an_effect():
    said = said_of(known, around=[TimeoutMiddleware(5), RetryMiddleware(), TimeoutMiddleware(5)])

    assert said["known", "warn"] == "TimeoutMiddleware(5 s) inside TimeoutMiddleware(5 s) never has an effect"


def test_a_limit_for_each_attempt_alone_is_fine():
    policy = RetryPolicy(max_attempts=2)

    assert ("known", "warn") not in said_of(known, around=[RetryMiddleware(policy), TimeoutMiddleware(5)])


def test_a_signature_that_makes_no_schema_is_an_error():
    def odd(one: "NoSuchType"):  # noqa: F821
        """Nobody can tell what it takes."""

    said = said_of(tool(timeout=1)(odd))

    assert said["odd", "error"].startswith("it cannot be called: ")


def test_of_a_combinator_only_its_children_are_looked_at():
    whole = known.with_options(name="whole")
    whole._self_children = (known,)

    assert said_of(whole) == {("tools", "ok"): "1"}
