"""Permits by key in one event loop at a time, and the bulkhead that a tool brings with it."""

import asyncio
import threading

import anyio
import pytest

from toolcase import Registry
from toolcase.bulkhead import KeyedPermits, ToolsOwnBulkhead
from toolcase.runtime import BulkheadMiddleware
from toolcase.testing import Give, Script, current_clock


def using(bulkhead, **scripts):
    registry = Registry()
    registry.use(bulkhead)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


class TestOneLoopAtATime:
    """Who waits belongs to a loop."""

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_second_loop_is_refused_while_calls_of_the_first_run(self, backend):
        bulkhead, raised = BulkheadMiddleware(1), []
        elsewhere = using(bulkhead, t=Script(Give(1)))

        def second():
            try:
                anyio.run(elsewhere.call, "t", backend=backend)
            except RuntimeError as error:
                raised.append(str(error))

        async def t() -> None:
            thread = threading.Thread(target=second)
            thread.start()
            await anyio.to_thread.run_sync(thread.join)

        registry = using(bulkhead)
        registry.tool(t)
        anyio.run(registry.call, "t", backend=backend)

        assert raised == [
            "this bulkhead is in use on another event loop that still runs (for 't'); make one for each loop"
        ]

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
