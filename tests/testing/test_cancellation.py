"""The kit's cancel-at-every-await catches what middleware does wrong when it is cancelled."""

import asyncio
import contextvars
import threading

import anyio
import pytest

from toolcase import Registry, Stage, shielded, timer
from toolcase.testing import (
    CancellationFault,
    Give,
    Script,
    Way,
    cancel_at_every_await,
)

who = contextvars.ContextVar("who", default="nobody")


def cancelled_within(middleware, backend, script=None, **rules):
    """Run the harness over one call with this middleware around a tool that waits for a second."""

    async def scenario():
        registry = Registry()
        registry.use(middleware)
        registry.add((script or Script(Give(7, after=1))).tool("slow"))
        await registry.call("slow")

    return cancel_at_every_await(scenario, backend=backend, **rules)


def test_honest_middleware_passes(backend):
    async def honest(call, inner):
        return await inner(call)

    report = cancelled_within(honest, backend)

    assert report.suspensions == 1
    assert [way for way, _ in report.cancelled] == (list(Way) if backend == "asyncio" else [Way.SCOPE])


def test_the_report_says_where_it_cancelled(backend):
    async def scenario():
        await anyio.sleep(1)
        await anyio.sleep(1)

    report = cancel_at_every_await(scenario, backend=backend, ways=[Way.SCOPE])

    line = scenario.__code__.co_firstlineno + 1
    assert [place for _, place in report.cancelled] == [
        f"{__file__}:{line + offset} in scenario" for offset in (0, 1)
    ]
    assert str(report) == "2 suspensions, cancelled 2 times"


def test_the_place_is_found_behind_a_limit_of_time(backend):
    async def scenario():
        registry = Registry()

        @registry.tool(timeout=5)
        async def inside() -> None:
            await anyio.sleep(1)

        await registry.call("inside")

    report = cancel_at_every_await(scenario, backend=backend)

    assert {place.rpartition(" ")[2] for _, place in report.cancelled} == {"inside"}


def test_suspensions_of_tasks_that_it_starts_count(backend):
    async def scenario():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
            group.start_soon(anyio.sleep, 2)

    report = cancel_at_every_await(scenario, backend=backend)

    assert report.suspensions == 3


def test_catches_cancellation_that_is_swallowed(backend):
    async def swallows(call, inner):
        try:
            return await inner(call)
        except anyio.get_cancelled_exc_class():
            return None

    with pytest.raises(CancellationFault, match="cancelled and ended with the value"):
        cancelled_within(swallows, backend)


def test_catches_cancellation_that_is_made_an_error(backend):
    async def renames(call, inner):
        try:
            return await inner(call)
        except BaseException as error:
            raise RuntimeError("it did not work") from error

    renames.stage = Stage.ACT

    with pytest.raises(CancellationFault, match="it ended with RuntimeError"):
        cancelled_within(renames, backend)


def test_catches_an_error_beside_the_cancellation(backend):
    async def scenario():
        async def fails():
            try:
                await anyio.sleep(1)
            except BaseException:
                raise ValueError("in clean-up") from None

        async with anyio.create_task_group() as group:
            group.start_soon(fails)

    with pytest.raises(CancellationFault, match="it ended with ExceptionGroup"):
        cancel_at_every_await(scenario, backend=backend)


def test_absorbs_allows_the_normal_end(backend):
    async def swallows(call, inner):
        try:
            return await inner(call)
        except anyio.get_cancelled_exc_class():
            return None

    assert cancelled_within(swallows, backend, absorbs=True).suspensions == 1


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_task_that_is_left(backend):
    kept = []

    async def leaks(call, inner):
        kept.append(asyncio.create_task(asyncio.sleep(10), name="left-alone"))
        return await inner(call)

    with pytest.raises(CancellationFault, match="task 'left-alone' still runs"):
        cancelled_within(leaks, backend)


def test_catches_a_system_task_that_is_left_on_trio():
    trio = pytest.importorskip("trio")

    async def leaks(call, inner):
        trio.lowlevel.spawn_system_task(trio.sleep, 10, name="left-alone")
        return await inner(call)

    with pytest.raises(CancellationFault, match="task 'left-alone' still runs"):
        cancelled_within(leaks, "trio")


def test_outliving_names_tasks_that_may_live_on():
    kept = []

    async def hands_over(call, inner):
        kept.append(asyncio.create_task(asyncio.sleep(10), name="owned-by-host"))
        return await inner(call)

    assert cancelled_within(hands_over, "asyncio", outliving=["owned-*"]).suspensions > 1


def test_catches_a_context_variable_that_is_left_changed(backend):
    async def leaks(call, inner):
        who.set("me")
        return await inner(call)

    with pytest.raises(CancellationFault, match="context variable 'who' was changed to 'me'"):
        cancelled_within(leaks, backend)


def test_variables_names_those_that_may_change(backend):
    async def sets(call, inner):
        who.set("me")
        return await inner(call)

    assert cancelled_within(sets, backend, variables=[who]).suspensions == 1


def test_catches_a_permit_that_is_left_taken(backend):
    taken = []

    async def leaks(call, inner):
        taken.append(call)
        value = await inner(call)
        taken.remove(call)
        return value

    def check():
        assert not taken

    with pytest.raises(CancellationFault, match="the check failed: AssertionError") as caught:
        cancelled_within(leaks, backend, check=check)
    assert isinstance(caught.value.__cause__, AssertionError)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_permit_that_is_lost_with_the_wake_up(backend):
    permits = []

    async def naive(call, inner):
        handed = asyncio.get_running_loop().create_future()
        permits.append("out")
        timer = asyncio.get_running_loop().call_later(1, handed.set_result, "permit")
        try:
            await handed
        except asyncio.CancelledError:
            timer.cancel()
            if handed.cancelled():
                permits.remove("out")  # and where it was handed over in this very tick it is lost
            raise
        permits.remove("out")
        return await inner(call)

    def check():
        assert not permits

    cancelled_within(naive, backend, check=check, ways=[Way.TASK, Way.SCOPE])
    with pytest.raises(CancellationFault, match="same tick as the wake-up at suspension 1,"):
        cancelled_within(naive, backend, check=check)


def test_catches_another_attempt_after_the_cancellation(backend):
    script = Script(Give(7, after=1))
    runs = []

    async def stubborn(call, inner):
        runs.append(len(script.starts))
        try:
            return await inner(call)
        except anyio.get_cancelled_exc_class():
            with shielded():
                await inner(call)
            raise

    stubborn.stage = Stage.ACT

    def check():
        assert len(script.starts) == len(runs)

    with pytest.raises(CancellationFault, match="the check failed"):
        cancelled_within(stubborn, backend, script, check=check)


def test_catches_a_generator_that_is_left_open(backend):
    async def chunks():
        yield 1
        yield 2

    kept = []

    async def leaks(call, inner):
        kept.append(chunks())
        await anext(kept[-1])
        return await inner(call)

    with pytest.raises(CancellationFault, match=r"async generator '.*chunks' was not closed"):
        cancelled_within(leaks, backend)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_generator_that_is_left_to_the_collector(backend):
    async def chunks():
        yield 1
        yield 2

    async def drops(call, inner):
        async for _ in chunks():
            break
        return await inner(call)

    with pytest.raises(CancellationFault, match=r"async generator '.*chunks' was not closed"):
        cancelled_within(drops, backend)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_timer_that_is_left_armed(backend):
    async def leaks(call, inner):
        asyncio.get_running_loop().call_later(60, print)
        return await inner(call)

    with pytest.raises(CancellationFault, match="a timer is still armed: <TimerHandle"):
        cancelled_within(leaks, backend)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_cancellation_that_strikes_late(backend):
    async def leaks(call, inner):
        task = asyncio.current_task()
        try:
            return await inner(call)
        finally:
            asyncio.get_running_loop().call_soon(task.cancel)

    with pytest.raises(CancellationFault, match="a cancellation struck after it had ended"):
        cancelled_within(leaks, backend)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_cancellation_that_is_still_counted(backend):
    async def leaks(call, inner):
        try:
            return await asyncio.wait_for(inner(call), 0.5)
        except TimeoutError:
            asyncio.current_task().cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return None

    with pytest.raises(CancellationFault, match=r"task.cancelling\(\) is 1 afterwards"):
        cancelled_within(leaks, backend)


def test_catches_a_run_that_never_ends(backend):
    freed = []

    async def waits(call, inner):
        done = anyio.Event()
        freed.append(done)
        try:
            value = await inner(call)
            done.set()
        finally:
            with anyio.CancelScope(shield=True):
                await done.wait()
        return value

    with pytest.raises(CancellationFault, match="it never ended: every task waits"):
        cancelled_within(waits, backend, ways=[Way.SCOPE])


def test_catches_a_thread_that_never_ends(backend, monkeypatch):
    monkeypatch.setattr(
        f"toolcase.testing.{'virtual' if backend == 'asyncio' else 'trio_time'}.THREAD_SECONDS", 0.05
    )
    gate = threading.Event()

    async def scenario():
        registry = Registry()

        @registry.tool
        def stuck() -> None:
            gate.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "stuck")
            while not registry.threads.busy:  # trio says of no two tasks which one is next
                await anyio.sleep(0)
            group.cancel_scope.cancel()

    try:
        with pytest.raises(CancellationFault, match="a thread has not ended"):
            cancel_at_every_await(scenario, backend=backend)
    finally:
        gate.set()


def test_catches_what_reaches_the_event_loop_alone():
    async def drops(call, inner):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError("nobody asks"))
        del future
        return await inner(call)

    with pytest.raises(CancellationFault, match="reached the event loop: ValueError"):
        cancelled_within(drops, "asyncio")


def test_catches_a_scenario_that_fails_by_itself(backend):
    async def scenario():
        raise LookupError("no such thing")

    with pytest.raises(
        CancellationFault, match="run to its end, without any cancellation: it ended with Look"
    ):
        cancel_at_every_await(scenario, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_catches_a_scenario_that_cancels_itself(backend):
    async def scenario():
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    with pytest.raises(CancellationFault, match="it was cancelled, and nobody had cancelled it"):
        cancel_at_every_await(scenario, backend=backend)


def test_catches_a_scenario_that_does_not_the_same_each_time(backend):
    runs = []

    async def scenario():
        runs.append(1)
        if len(runs) == 1:
            await anyio.sleep(1)

    with pytest.raises(CancellationFault, match="a scenario must do the same each time"):
        cancel_at_every_await(scenario, backend=backend)


def test_ways_limits_how_it_is_cancelled():
    async def scenario():
        await anyio.sleep(1)

    report = cancel_at_every_await(scenario, ways=[Way.TASK])

    assert [way for way, _ in report.cancelled] == [Way.TASK]


def test_a_cancellation_in_shielded_clean_up_may_come_too_late(backend):
    async def scenario():
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
        return "done"

    assert cancel_at_every_await(scenario, backend=backend, ways=[Way.SCOPE]).suspensions == 1


@pytest.mark.parametrize(("kept", "left"), [("armed", ["left"]), ("shields", 1)])
def test_catches_limits_of_time_that_are_still_noted(kept, left):
    async def scenario():
        setattr(timer.limits_of(asyncio.current_task()), kept, left)

    with pytest.raises(CancellationFault, match="1 (limits of time|shielded clean-ups) are still noted as"):
        cancel_at_every_await(scenario)


def test_a_group_of_cancellations_is_a_cancellation():
    async def scenario():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as error:
            raise BaseExceptionGroup("all of it", [error]) from None

    assert cancel_at_every_await(scenario, ways=[Way.TASK]).suspensions == 1


def test_catches_a_thread_slot_that_is_still_held(backend):
    async def scenario():
        registry = Registry()
        registry.add(quick)
        await registry.call("quick")
        registry.threads.busy += 1

    def quick() -> None: ...

    with pytest.raises(CancellationFault, match="1 thread slots are still held, and no thread works"):
        cancel_at_every_await(scenario, backend=backend)


def test_a_task_that_is_never_begun_is_no_fault():
    async def scenario():
        task = asyncio.create_task(asyncio.sleep(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert cancel_at_every_await(scenario, ways=[Way.SCOPE]).suspensions == 1
