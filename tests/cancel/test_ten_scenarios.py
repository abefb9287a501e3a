"""Calls over real registries, cancelled at every await on both back ends: nothing is left, effects agree."""

import threading

import anyio
import pytest

from toolcase import Registry, Stage, shielded
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Fail, Give, Hang, Recorder, Script, Way, cancel_at_every_await

STEADY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(jitter=False)))


def registry_of(*used, **scripts):
    """A registry with these middleware, and a tool for each script."""
    registry = Registry()
    registry.use(*used)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


def everywhere(scenario, backend, **rules):
    """Cancel it in every way at every await, and make sure that there was one."""
    report = cancel_at_every_await(scenario, backend=backend, **rules)
    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0
    return report


class Effects:
    """What a run has begun and what it has ended; made anew by each scenario."""

    def __init__(self):
        self.open = 0
        self.begun = 0

    async def within(self, wait):
        """Something that takes its time and is always put back."""
        self.open += 1
        self.begun += 1
        try:
            return await wait
        finally:
            self.open -= 1


@pytest.fixture
def effects():
    return Effects()


def test_a_plain_call(backend):
    scripts = []

    async def scenario():
        scripts.append(Script(Give(1, after=1)))
        await registry_of(t=scripts[-1]).call("t")

    everywhere(scenario, backend, check=lambda: idle(scripts[-1]))


def idle(script, *, at_most=1):
    assert script.running == 0
    assert 1 <= len(script.starts) <= at_most


def test_execute_with_a_limit(backend):
    scripts = []

    async def scenario():
        scripts.append(Script(Hang(cleanup=1)))
        result = await registry_of(t=scripts[-1]).execute("t", timeout=3)
        assert result.error.code.value == "TIMEOUT"

    everywhere(scenario, backend, check=lambda: idle(scripts[-1]))


def test_retries_with_waits(backend):
    scripts = []

    async def scenario():
        scripts.append(Script(Fail(ConnectionError(), after=1), Fail(ConnectionError()), Give(1, after=1)))
        await registry_of(STEADY, t=scripts[-1]).call("t")

    report = everywhere(scenario, backend, check=lambda: idle(scripts[-1], at_most=3))

    assert report.suspensions == 4  # two attempts that wait, two waits


def test_a_retry_around_a_limit_around_a_tool_that_hangs_and_cleans_up(backend, effects):
    async def scenario():
        registry = registry_of(STEADY, TimeoutMiddleware(2))

        @registry.tool
        async def hangs() -> None:
            effects.open += 1
            try:
                await anyio.sleep(100)
            finally:
                with shielded():
                    try:
                        await anyio.sleep(1)
                    finally:  # a native cancellation by the host gets through
                        effects.open -= 1

        assert not (await registry.execute("hangs")).ok

    everywhere(scenario, backend, check=lambda: closed(effects))


def closed(effects):
    assert effects.open == 0


def test_children_three_deep(backend, effects):
    async def scenario():
        registry = registry_of(TimeoutMiddleware(9), leaf=Script(Give(1, after=1)))

        @registry.tool
        async def middle() -> int:
            return await effects.within(registry.call("leaf"))

        @registry.tool
        async def top() -> int:
            return await effects.within(registry.call("middle")) + await registry.call("leaf")

        assert await registry.call("top") == 2

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_a_guard_that_waits_before_and_after(backend, effects):
    async def scenario():
        async def guard(call, inner):
            await effects.within(anyio.sleep(1))
            value = await inner(call)
            await effects.within(anyio.sleep(1))
            return value

        await registry_of(guard, t=Script(Give(1, after=1))).call("t")

    assert everywhere(scenario, backend, check=lambda: closed(effects)).suspensions == 3


def test_observers_that_wait(backend, effects):
    recorders = []

    async def scenario():
        async def observer(call, inner):
            await effects.within(anyio.sleep(1))
            try:
                return await inner(call)
            finally:
                await anyio.sleep(1)

        observer.stage = Stage.OBSERVE
        recorders.append(Recorder())
        await registry_of(observer, recorders[-1], t=Script(Give(1, after=1))).execute("t")

    def check():
        closed(effects)
        assert all(record.ended for record in recorders[-1].records)

    everywhere(scenario, backend, check=check)


def test_a_synchronous_tool_that_is_left_behind(backend, effects):
    async def scenario():
        registry, gate = Registry(max_threads=1), threading.Event()

        @registry.tool
        def waits() -> None:
            effects.open += 1
            gate.wait(10)
            effects.open -= 1

        async def release():
            await anyio.sleep(0)
            gate.set()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(release)
                await registry.execute("waits")
        finally:
            gate.set()

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_a_tool_with_branches(backend, effects):
    async def scenario():
        registry = registry_of(TimeoutMiddleware(9), child=Script(Give(1, after=1)))

        async def branch():
            await effects.within(registry.call("child"))

        @registry.tool
        async def fans_out() -> int:
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(branch)
            return 3

        await registry.execute("fans_out", timeout=20)

    everywhere(scenario, backend, check=lambda: closed(effects))


@pytest.mark.parametrize("limits", [(2, 5), (5, 2), (3, 3)])
def test_limits_within_limits(backend, limits):
    scripts = []

    async def scenario():
        scripts.append(Script(Hang(cleanup=1)))
        registry = registry_of(*map(TimeoutMiddleware, limits), t=scripts[-1])
        assert (await registry.execute("t", timeout=9)).error.code.value == "TIMEOUT"
        await registry_of(t=Script(Give(1, after=1))).execute("t", timeout=9)

    everywhere(scenario, backend, check=lambda: idle(scripts[-1]))


def test_an_async_generator_that_is_collected(backend, effects):
    async def scenario():
        registry = registry_of(TimeoutMiddleware(9))

        @registry.tool
        async def chunks():
            effects.open += 1
            try:
                for number in range(3):
                    await anyio.sleep(1)
                    yield number
            finally:
                effects.open -= 1

        assert await registry.call("chunks") == [0, 1, 2]

    assert everywhere(scenario, backend, check=lambda: closed(effects)).suspensions == 3


def test_a_tool_that_absorbs_one_cancellation(backend, effects):
    async def scenario():
        registry = registry_of(STEADY, TimeoutMiddleware(5))

        @registry.tool
        async def stubborn() -> str:
            effects.begun += 1
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class():
                return "had enough"
            return "done"

        effects.begun = 0
        await registry.call("stubborn")
        await anyio.sleep(1)

    def check():
        assert effects.begun == 1

    everywhere(scenario, backend, absorbs=True, check=check)


def test_a_guard_with_a_scope_of_its_own(backend, effects):
    async def scenario():
        async def patient(call, inner):
            with anyio.move_on_after(2):
                return await effects.within(inner(call))
            return "too late"

        registry = registry_of(
            patient, TimeoutMiddleware(9), slow=Script(Hang()), quick=Script(Give(1, after=1))
        )
        assert await registry.call("slow") == "too late"
        assert await registry.call("quick") == 1

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_several_calls_at_once(backend, effects):
    async def scenario():
        script = Script(Give(1, after=1), Hang(), Fail(ConnectionError(), after=1), Give(2, after=2))
        registry = registry_of(STEADY, TimeoutMiddleware(3), t=script)

        async def one():
            await effects.within(registry.execute("t"))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_a_limit_that_comes_while_clean_up_is_shielded(backend, effects):
    async def scenario():
        registry = registry_of(TimeoutMiddleware(2))

        @registry.tool
        async def saves() -> None:
            with shielded():
                await effects.within(anyio.sleep(3))
            await effects.within(anyio.sleep(100))

        result = await registry.execute("saves")
        assert (result.error.code.value, result.duration) == ("TIMEOUT", 3)

    everywhere(scenario, backend, check=lambda: closed(effects))
