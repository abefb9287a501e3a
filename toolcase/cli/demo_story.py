"""The demo's story: the registry, the middleware around its tools, and the calls in their order."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import anyio

from toolcase.call import Call, Inner, Stage
from toolcase.cli.demo_catalogue import Catalogue
from toolcase.cli.demo_client import Client
from toolcase.cli.demo_server import HANG_SECONDS, Fault
from toolcase.cli.demo_watch import Watcher
from toolcase.context import ExecutionContext
from toolcase.errors import Denied
from toolcase.events import Event, LateCompletion
from toolcase.middleware.retry import RetryMiddleware
from toolcase.middleware.timeout import TimeoutMiddleware
from toolcase.registry import Registry
from toolcase.retry.backoff import ExponentialBackoff
from toolcase.retry.policy import RetryPolicy

ATTEMPT_SECONDS = 0.8
THREADS = 2


def faults() -> dict[str, list[Fault]]:
    """What the server does wrong, by path, request after request."""
    return {
        "/packages/anyio": [Fault.BUSY, Fault.RESET],
        "/packages/click": [Fault.HANG],
        "/packages/msgspec": [Fault.SLOW],
        "/packages/pydantic": [Fault.HANG, Fault.HANG, Fault.HANG],
        "/packages/structlog": [Fault.CLOSED],
        "/packages/wrapt": [Fault.HANG, Fault.HANG],
        "/notes": [Fault.RESET],
    }


async def admins_only(call: Call, inner: Inner) -> Any:
    """A guard: refuses what may destroy something, unless an admin asks."""
    asker = call.context.principal_id
    if call.tool is not None and call.tool.destructive and asker != "admin":
        raise Denied(f"{call.name!r} destroys data, and {asker!r} is no admin")
    return await inner(call)


class Sizes:
    """An observer with an honest bug, as they have: not everything that a tool gives has a length."""

    stage: ClassVar[Stage] = Stage.OBSERVE
    total = 0

    async def __call__(self, call: Call, inner: Inner) -> Any:
        value = await inner(call)
        self.total += call.info.chunks or len(value)
        return value


def empty() -> Registry:
    """The registry of the demo; who names nobody else calls as a guest."""
    return Registry(context=ExecutionContext(principal_id="guest"), max_threads=THREADS)


def furnish(registry: Registry, database: Path, client: Client, watcher: Watcher) -> None:
    """Put in the tools of this half, and what stands around all tools."""
    catalogue = Catalogue(database)
    registry.tool(read_only=True)(catalogue.find_package)
    registry.tool(read_only=True)(catalogue.query_packages)
    registry.tool(read_only=True)(client.fetch_package)
    registry.tool(read_only=True)(client.download_package)
    registry.tool(idempotent=False)(client.add_note)
    registry.tool(destructive=True)(catalogue.forget_notes)
    policy = RetryPolicy(backoff=ExponentialBackoff(base=0.2), max_retry_after=5.0)
    registry.use(watcher, Sizes(), admins_only, RetryMiddleware(policy), TimeoutMiddleware(ATTEMPT_SECONDS))
    for name in registry.names():
        registry.get(name).schema  # noqa: B018  now, so that the first call shows its own time


async def play(registry: Registry, watcher: Watcher) -> None:
    """Make the calls; the watcher tells what happens to them."""
    threads_ended = anyio.Event()

    def hear(event: Event) -> None:
        watcher.on_host_event(event, registry.clock.monotonic())
        if isinstance(event, LateCompletion) and registry.threads.busy == 0:
            threads_ended.set()

    registry.on_event(hear)
    watcher.title("Tools that work are left alone")
    await registry.execute("find_package", {"name": "click"})
    largest = "SELECT name, bytes FROM packages ORDER BY bytes DESC LIMIT 2"
    await registry.execute("query_packages", {"sql": largest})
    await registry.execute("fetch_package", {"name": "msgspec"})

    watcher.title("A server that is busy, resets, hangs: try again, as soon as it says and no sooner")
    await registry.execute("fetch_package", {"name": "anyio"})
    await registry.execute("fetch_package", {"name": "click"})
    await registry.execute("fetch_package", {"name": "pydantic"}, timeout=1.4)
    await registry.execute("fetch_package", {"name": "structlog"})

    watcher.title("An effect whose answer was lost is not repeated")
    await registry.execute("add_note", {"package": "click", "text": "pleasant"})
    await registry.execute("query_packages", {"sql": "SELECT count(*) AS notes FROM notes"})

    watcher.title("Calls that are refused before the tool runs")
    await registry.execute("find_package", {"nmae": "click"})
    await registry.execute("find_pakcage", {"name": "click"})
    await registry.execute("forget_notes")
    admin = registry.view(context=ExecutionContext(principal_id="admin"))
    await admin.execute("forget_notes")

    watcher.title(f"Python cannot stop a thread: the callers go on, the slots ({THREADS} here) stay taken")
    async with anyio.create_task_group() as group:
        for _ in range(THREADS):
            hung = partial(registry.execute, "download_package", {"name": "wrapt"}, timeout=0.7)
            group.start_soon(hung)
    await registry.execute("find_package", {"name": "anyio"})
    with anyio.fail_after(4 * HANG_SECONDS):
        await threads_ended.wait()
    await registry.execute("find_package", {"name": "anyio"})
