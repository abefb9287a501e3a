"""Permits by key in one event loop at a time, and the bulkhead that a tool brings with it."""

import asyncio
from functools import partial

import anyio
import pytest

from toolcase import Registry, tool
from toolcase.bulkhead import KeyedPermits, ToolsOwnBulkhead
from toolcase.runtime import BulkheadMiddleware, compose
from toolcase.testing import Give, Script, current_clock


def using(bulkhead, **scripts):
    registry = Registry()
    registry.use(bulkhead)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


async def in_another_loop(function, backend):
    """The words with which it is refused there."""

    def run():
        with pytest.raises(RuntimeError) as caught:
            anyio.run(function, backend=backend)
        return str(caught.value)

    return await anyio.to_thread.run_sync(run)


class TestOneLoopAtATime:
    """Who waits belongs to a loop."""

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_second_loop_is_refused_while_calls_of_the_first_run(self, backend):
        bulkhead = BulkheadMiddleware(1, queue=0)
        registry, elsewhere = using(bulkhead), using(bulkhead, t=Script(Give(1)))

        @registry.tool
        async def t() -> str:
            return await registry.call("u")

        @registry.tool
        async def u() -> str:
            return await in_another_loop(partial(elsewhere.call, "t"), backend)

        assert anyio.run(registry.call, "t", backend=backend) == (
            "this bulkhead is in use on another event loop that still runs (for 't'); make one for each loop"
        )

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_second_loop_is_refused_without_a_registry_too(self, backend):
        stack = compose(BulkheadMiddleware(1, queue=0))

        @tool
        async def t() -> str:
            return await in_another_loop(stack(Script(Give(1)).tool("t")), backend)

        assert "is in use on another event loop" in anyio.run(stack(t), backend=backend)

    @pytest.mark.parametrize("first", ["asyncio", "trio"])
    @pytest.mark.parametrize("second", ["asyncio", "trio"])
    def test_another_loop_is_welcome_when_no_call_runs(self, first, second):
        bulkhead = BulkheadMiddleware(1)

        for backend in (first, second):
            assert anyio.run(using(bulkhead, t=Script(Give(1))).call, "t", backend=backend) == 1

    def test_what_ran_in_a_loop_that_has_gone_is_forgotten(self):
        bulkhead, registry = BulkheadMiddleware(1, queue=0), Registry()
        registry.use(bulkhead)
        registry.tool(anyio.sleep_forever, name="t")

        async def begin():
            return asyncio.ensure_future(registry.call("t")), await anyio.sleep(0)

        gone = asyncio.new_event_loop()
        hanging, _ = gone.run_until_complete(begin())
        gone.close()

        assert bulkhead.running("t") == 1
        assert asyncio.run(using(bulkhead, t=Script(Give(1))).call("t")) == 1
        hanging.get_coro().close()  # or the garbage collector would, in the middle of another test
        hanging._log_destroy_pending = False
        assert bulkhead.running("t") == 0


class TestToolsOwnBulkhead:
    async def test_can_be_called_as_any_middleware(self):
        own, script = ToolsOwnBulkhead(1, KeyedPermits()), Script(Give(1, after=5))

        async def outer(call, inner):
            return await own(call, inner)

        registry = using(outer, t=script)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(registry.call, "t")

        assert current_clock().now == pytest.approx(10)

    def test_shows_its_limit(self):
        assert str(ToolsOwnBulkhead(3, KeyedPermits())) == "ToolsOwnBulkhead(3 at once)"
