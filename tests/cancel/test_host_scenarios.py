"""What hosts do with a registry, cancelled at every await on both back ends."""

import anyio

from toolcase import CancellationToken, ExecutionContext, Registry, RunCancelled
from toolcase.runtime import production
from toolcase.testing import Give, Hang, Script, cancel_at_every_await


def left(scripts):
    """Every run of these has ended."""
    assert scripts
    assert [script.running for script in scripts] == [0] * len(scripts)


def test_entering_and_leaving_with_calls_in_flight(backend):
    scripts = []

    async def scenario():
        quick, slow = Script(Give(1, after=1)), Script(Hang(cleanup=1))
        scripts[:] = [quick, slow]
        registry = Registry(grace=2)
        registry.add(quick.tool("quick"), slow.tool("slow"))
        async with anyio.create_task_group() as tasks:
            async with registry:
                tasks.start_soon(registry.execute, "quick")
                tasks.start_soon(registry.execute, "slow")
                await anyio.sleep(0.5)
        assert registry.inflight() == []

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: left(scripts))

    assert report.suspensions > 0


def test_an_outbox_that_is_closed(backend):
    outboxes = []

    async def scenario():
        async def consume(item):
            await anyio.sleep(0.4)

        registry = Registry()
        outboxes[:] = [registry.outbox(consume)]
        async with registry:
            for n in range(4):
                outboxes[0].put(n)
            await anyio.sleep(0.5)

    def check():
        assert len(outboxes[0]) == 0

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert report.suspensions > 0


def test_a_synchronous_tool_that_calls_back(backend):
    scripts = []

    async def scenario():
        child = Script(Give(1, after=1))
        scripts[:] = [child]
        registry = Registry()
        registry.add(child.tool("child"))
        registry.tool(lambda: registry.blocking().call("child"), name="parent")
        assert await registry.call("parent") == 1

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: left(scripts))

    assert report.suspensions > 0


def test_a_run_that_is_called_off(backend):
    scripts = []

    async def scenario():
        hanging, token = Script(Hang(cleanup=1)), CancellationToken()
        scripts[:] = [hanging]
        registry = Registry()
        registry.use(*production())
        registry.add(hanging.tool("t"))

        async def call_off():
            await anyio.sleep(2)
            token.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_off)
            try:
                await registry.execute("t", context=ExecutionContext(cancellation=token))
            except RunCancelled:
                return

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: left(scripts))

    assert report.suspensions > 0
