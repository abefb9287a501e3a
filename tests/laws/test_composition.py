"""Laws 1 to 6, 8 and 9: putting middleware together."""

import warnings

from hypothesis import given
from hypothesis import strategies as st

from laws.strategies import acting, identity_of, law, noting, outcome, scripts, stages
from toolcase import Registry
from toolcase.runtime import compose
from toolcase.testing import Script

stacks = st.lists(acting, max_size=3)


@law
@given(script=scripts, used=stacks, stage=stages, place=st.integers(0, 3))
async def test_law_1_an_identity_changes_nothing(script, used, stage, place):
    with warnings.catch_warnings(action="ignore"):
        without = await outcome(script, *used)
        used.insert(place, identity_of(stage))

        assert await outcome(script, *used) == without


@law
@given(script=scripts, a=acting, b=acting, c=acting)
async def test_laws_2_and_3_grouping_changes_nothing(script, a, b, c):
    with warnings.catch_warnings(action="ignore"):
        flat = await outcome(script, a, b, c)

        assert await outcome(script, compose(compose(a, b), c)) == flat
        assert await outcome(script, compose(a, compose(b, c))) == flat
        assert await outcome(script, [a, [b], compose(c)]) == flat


@law
@given(script=scripts, order=st.lists(stages, min_size=1, max_size=6))
async def test_laws_4_and_5_each_that_is_entered_is_left_once_the_last_first(script, order):
    log = []

    await outcome(script, *(noting(log, number, stage) for number, stage in enumerate(order)))

    entered = [name for what, name in log if what == "enter"]
    left = [name for what, name in log if what == "exit"]
    assert entered == sorted(range(len(order)), key=lambda n: (list(stages_in_order()).index(order[n]), n))
    assert left == entered[::-1]


def stages_in_order():
    from toolcase import Stage

    return Stage


@law
@given(script=st.sampled_from(["value", "error"]), used=stacks)
async def test_law_6_a_synchronous_tool_and_its_twin_end_alike(script, used):
    def synchronous() -> int:
        if script == "error":
            raise ValueError("law")
        return 7

    async def asynchronous() -> int:
        return synchronous()

    ends = []
    for function in (synchronous, asynchronous):
        registry = Registry()
        with warnings.catch_warnings(action="ignore"):
            registry.use(*used)
            registry.add(function)
            result = await registry.execute(function.__name__)
        ends.append(
            (result.value, result.error and (result.error.code, result.error.message), result.attempts)
        )

    assert ends[0] == ends[1]


@law
@given(script=scripts, used=stacks)
async def test_law_8_observers_commute(script, used):
    from toolcase import Stage

    first, second = [], []
    a, b = noting(first, "a", Stage.OBSERVE), noting(second, "b", Stage.OBSERVE)
    with warnings.catch_warnings(action="ignore"):
        one_way = await outcome(script, a, b, *used)
        seen_one_way = (list(first), list(second))
        first.clear()
        second.clear()

        assert await outcome(script, b, a, *used) == one_way
        assert (first, second) == seen_one_way


@law
@given(script=scripts, names=st.permutations(["a", "b", "c"]), used=stacks)
async def test_law_9_the_order_of_registering_is_irrelevant(script, names, used):
    registry = Registry()
    with warnings.catch_warnings(action="ignore"):
        registry.use(*used)
        registry.add(*(Script(*script).tool(name) for name in names))

        result = await registry.execute("b", timeout=100)
        alone, starts, _ = await outcome(script, *used)

    end = ("value", result.value) if result.ok else (result.error.code.value, result.error.type)
    assert (end, result.attempts) == (alone, starts)
