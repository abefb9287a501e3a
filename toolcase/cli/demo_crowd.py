"""The demo's second half, where calls meet: a breaker, a bulkhead, a single flight, a budget, a trace."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import anyio

from toolcase.call import Middleware
from toolcase.cli.demo_client import Client
from toolcase.cli.demo_server import Fault, FaultyServer
from toolcase.cli.demo_watch import Watcher
from toolcase.context import BudgetSpec, ExecutionContext
from toolcase.middleware import BudgetMiddleware, CircuitBreakerMiddleware, TracingMiddleware
from toolcase.observability import Tracing, configure_tracing
from toolcase.plugins import PluginError, PluginRegistry
from toolcase.registry import Registry

RECOVERY_SECONDS = 0.5
FAILURES = 3
AT_ONCE = 2
BURST = 6
CALLS_OF_A_RUN = 2


def faults() -> dict[str, list[Fault]]:
    """What the server does wrong in this half, by path, request after request."""
    return {
        "/mirror/anyio": [Fault.RESET] * FAILURES,
        "/survey/click": [Fault.SLOW] * 2 * AT_ONCE,
        "/latest/msgspec": [Fault.SLOW],
        "/latest/click": [Fault.SLOW],
        "/latest/anyio": [Fault.RESET],
    }


class Crowd:
    """Tools that many call at once, and what stands around them."""

    def __init__(self, registry: Registry, client: Client, server: FaultyServer, watcher: Watcher) -> None:
        """Add the tools, and what stands outside of all that is used later."""
        self.registry, self.client, self.server, self.watcher = registry, client, server, watcher
        self.coalesce = coalescing()
        if self.coalesce is not None:
            registry.use(self.coalesce, only="latest_package")
        registry.use(BudgetMiddleware())
        breaker = CircuitBreakerMiddleware(failure_threshold=FAILURES, recovery_time=RECOVERY_SECONDS)
        registry.tool(read_only=True, middleware=[breaker])(self.ask_mirror)
        registry.tool(read_only=True, max_concurrent=AT_ONCE)(self.survey_package)
        registry.tool(read_only=True)(self.latest_package)
        registry.tool(read_only=True)(self.compare_packages)

    async def ask_mirror(self, name: str) -> Any:
        """Ask a mirror that is down at first."""
        return await self.client.get(f"/mirror/{name}")

    async def survey_package(self, name: str) -> Any:
        """Ask for what takes the server a while to find out."""
        return await self.client.get(f"/survey/{name}")

    async def latest_package(self, name: str) -> Any:
        """Ask for what many want to know at once."""
        return await self.client.get(f"/latest/{name}")

    async def compare_packages(self, first: str, second: str) -> str:
        """Say which package is larger; it asks for both at the same time."""
        found: dict[str, int] = {}

        async def weigh(name: str) -> None:
            (package,) = await self.registry.call("latest_package", name=name)
            found[name] = package["bytes"]

        async with anyio.create_task_group() as group:
            group.start_soon(weigh, first)
            group.start_soon(weigh, second)
        return max(found, key=lambda name: found[name])

    async def play(self) -> None:
        """Make the calls."""
        title, execute = self.watcher.title, self.registry.execute

        title("A mirror that is down is left alone for a while, and then tried again: a circuit breaker")
        await execute("ask_mirror", {"name": "anyio"})
        await execute("ask_mirror", {"name": "anyio"})
        await anyio.sleep(RECOVERY_SECONDS)
        await execute("ask_mirror", {"name": "anyio"})

        title(f"Four at once, and the server sees no more than {AT_ONCE}: a bulkhead")
        await self._at_once(2 * AT_ONCE, "survey_package", {"name": "click"})

        if self.coalesce is not None:
            title(f"{BURST} ask the same at the same time, and the tool runs once: single-flight")
            await self._at_once(BURST, "latest_package", {"name": "msgspec"})
            asked = self.server.requests["/latest/msgspec"]
            self.watcher.say(f"    {BURST} callers, {asked} request that the server saw")
        else:
            title("Many who ask the same at the same time: for this, pip install toolcase-cache")

        title(f"A run that may make {CALLS_OF_A_RUN} calls: a budget")
        budget = BudgetSpec(max_tool_calls=CALLS_OF_A_RUN)
        run = ExecutionContext(principal_id="guest", run_id="demo", budgets=budget)
        agent = self.registry.view(context=run)
        for name in ("click", "anyio", "msgspec"):
            await agent.execute("find_package", {"name": name})

    async def _at_once(self, number: int, tool: str, arguments: dict[str, Any]) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(partial(self.registry.execute, tool, arguments))


class Trace:
    """One call as a waterfall, where OpenTelemetry's SDK is installed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        """What was written of it, in the end."""
        self.text, self.missing = io.StringIO(), ""
        self.tracing: Tracing | None = None
        try:
            self.tracing = configure_tracing("console", stream=self.text, set_global=False)
        except ImportError as error:
            self.missing = str(error)

    def middleware(self) -> list[Middleware]:
        """What makes the spans."""
        return [] if self.tracing is None else [TracingMiddleware(self.tracing.provider)]

    async def play(self, registry: Registry, watcher: Watcher) -> None:
        """Make the call."""
        watcher.title("A tool that calls tools, as a trace")
        if self.tracing is None:
            watcher.say(self.missing)
            return
        self.text.seek(0)
        self.text.truncate()
        await registry.execute("compare_packages", {"first": "click", "second": "anyio"})
        self.lines = self.text.getvalue().splitlines()
        watcher.say("\n".join(self.lines))


def coalescing() -> Middleware | None:
    """The middleware of that name, if its plugin is installed."""
    try:
        return PluginRegistry.load(pyproject=False).middleware("coalesce")
    except (LookupError, PluginError):
        return None
