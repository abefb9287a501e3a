"""Laws 1 to 9: putting middleware together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.observing import end_of, noting, outcome
from toolcase import Registry, Stage
from toolcase.runtime import compose
from toolcase.testing import Script
from toolcase.testing.strategies import Passing, acting, scripts, stacks, twins

pytestmark = pytest.mark.filterwarnings("ignore:.*the attempts of .* multiply:UserWarning")

stages = st.sampled_from(Stage)


@given(script=scripts(), used=stacks(), stage=stages, place=st.integers(0, 4))
async def test_law_01_an_identity_changes_nothing(script, used, stage, place):
    without = await outcome(script, *used)

    used.insert(place, Passing(stage))

    assert await outcome(script, *used) == without


@given(script=scripts(), a=acting(), b=acting(), c=acting())
async def test_law_02_composing_is_associative(script, a, b, c):
    left = await outcome(script, compose(compose(a, b), c))

    assert await outcome(script, compose(a, compose(b, c))) == left


nested = st.recursive(
    acting(), lambda inner: st.lists(inner, max_size=3) | st.lists(inner).map(compose), max_leaves=4
)


@given(script=scripts(), stack=st.lists(nested, max_size=2))
async def test_law_03_flattening_a_nested_stack_changes_nothing(script, stack):
    flat = list(compose(stack))

    assert await outcome(script, stack) == await outcome(script, *flat)


@given(script=scripts(), order=st.lists(stages, min_size=1, max_size=6), used=stacks(max_size=2))
async def test_law_04_the_last_that_was_entered_is_left_first(script, order, used):
    log, open_now = [], []

    await outcome(script, *(noting(log, number, stage) for number, stage in enumerate(order)), *used)

    for what, name in log:
        assert what == "enter" or open_now.pop() == name
        open_now += [name] if what == "enter" else []
    assert [name for _, name in log[: len(order)]] == sorted(
        range(len(order)), key=lambda number: (list(Stage).index(order[number]), number)
    )


@given(script=scripts(), order=st.lists(stages, min_size=1, max_size=6), used=stacks(max_size=2))
async def test_law_05_each_that_is_entered_is_left_once(script, order, used):
    log = []

    await outcome(script, *used, *(noting(log, number, stage) for number, stage in enumerate(order)))

    entered, left = ([name for what, name in log if what == way] for way in ("enter", "exit"))
    assert sorted(entered) == sorted(left)
    for number, stage in enumerate(order):
        assert stage is Stage.ACT or entered.count(number) == 1


async def ended(tool, used):
    registry = Registry()
    registry.use(*used)
    registry.add(tool)
    result = await registry.execute(tool.name)
    return end_of(result), result.attempts


@given(pair=twins(), used=stacks())
async def test_law_06_a_synchronous_tool_and_its_twin_end_alike(pair, used):
    assert await ended(pair.synchronous, used) == await ended(pair.asynchronous, used)
    assert await ended(pair.synchronous_stream, used) == await ended(pair.stream, used)


@given(pair=twins(), used=stacks())
async def test_law_07_a_stream_of_one_chunk_is_collected_to_what_a_call_gives(pair, used):
    assert await ended(pair.stream, used) == await ended(pair.asynchronous, used)


@given(script=scripts(), used=stacks(max_size=2))
async def test_law_08_observers_commute(script, used):
    ends, seen = [], []

    for turned in (False, True):
        logs = {"a": [], "b": []}
        observers = [noting(log, name, Stage.OBSERVE) for name, log in logs.items()]
        ends.append(await outcome(script, *(reversed(observers) if turned else observers), *used))
        seen.append(logs)

    assert ends[0] == ends[1]
    assert seen[0] == seen[1]


@given(script=scripts(), names=st.permutations(["a", "b", "c"]), used=stacks(max_size=3))
async def test_law_09_the_order_of_registering_is_irrelevant(script, names, used):
    registry = Registry()
    registry.use(*used)
    registry.add(*(Script(*script).tool(name) for name in names))

    result = await registry.execute("b", timeout=100)

    end, starts, _ = await outcome(script, *used)
    assert (end_of(result), result.attempts) == (end, starts)
