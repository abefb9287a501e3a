"""Ten thousand calls at once through `production()`, of which some fail, some hang and some are cancelled."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import anyio
import msgspec
import structlog

from toolcase import Call, Registry, ToolResult, tool
from toolcase.runtime import MetricsMiddleware, production

EVERY = 20
"""Of so many calls in a row one hangs, one is cancelled, two fail, and the rest are well."""
ATTEMPTS = 2
ATTEMPT_SECONDS = 10.0
WORK_SECONDS = 0.05


class Burst(msgspec.Struct, kw_only=True):
    """What came of one burst of calls."""

    backend: str
    calls: int
    seconds: float
    started: int
    """How often a tool was started, retries included."""
    most_at_once: int
    outcomes: dict[str, int]
    """As those who made the calls saw them."""
    logged: dict[str, int]
    """As the records of the log say it."""
    measured: dict[str, int]
    """As the metrics have them."""
    left: dict[str, int]
    """What is there after the burst and was not there before it."""
    memory_bytes: int
    """The most that the process has had in use, so far."""

    def faults(self) -> list[str]:
        """What is not as it must be; nothing if all of it is."""
        found = [f"{number} {what} left over" for what, number in self.left.items() if number]
        if self.outcomes != expected(self.calls):
            found.append(f"outcomes {self.outcomes}, expected {expected(self.calls)}")
        if self.logged != self.outcomes:
            found.append(f"the log has {self.logged}, the callers saw {self.outcomes}")
        if self.measured != self.outcomes:
            found.append(f"the metrics have {self.measured}, the callers saw {self.outcomes}")
        return found


def kind_of(number: int) -> str:
    """What is to become of the call of this number."""
    return {0: "hangs", 1: "cancelled", 2: "fails", 3: "fails"}.get(number % EVERY, "well")


def expected(calls: int) -> dict[str, int]:
    """How many calls end in which way."""
    outcome = {"hangs": "TIMEOUT", "cancelled": "cancelled", "fails": "TOOL_FAILED", "well": "ok"}
    return dict(sorted(Counter(outcome[kind_of(number)] for number in range(calls)).items()))


async def burst(backend: str, calls: int) -> Burst:
    """Make the calls, all at once, and count."""
    running, most, outcomes, logged = 0, 0, Counter[str](), Counter[str]()

    @tool(idempotent=True)
    async def work(kind: str, call: Call) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await anyio.sleep(3600 if kind in {"hangs", "cancelled"} else WORK_SECONDS)
            if kind == "fails":
                raise ValueError("as it was told to")
            return kind
        finally:
            running -= 1

    def note(_: Any, __: str, record: MutableMapping[str, Any]) -> Any:
        if record["event"] != "call.started":
            logged[
                {"call.ended": "ok", "call.cancelled": "cancelled"}.get(record["event"]) or record["code"]
            ] += 1
        raise structlog.DropEvent

    structlog.configure([note], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    results: list[ToolResult] = []

    async def one(registry: Registry, number: int) -> None:
        kind = kind_of(number)
        with anyio.CancelScope() as scope:
            if kind == "cancelled":
                leavers.append(scope)
            results.append(await registry.execute("work", {"kind": kind}))
        outcomes["cancelled"] += scope.cancelled_caught

    leavers: list[anyio.CancelScope] = []
    before, began = census(), time.perf_counter()
    # Ten thousand calls that begin in one turn of the loop keep it busy for more than a second.
    registry = Registry(stall_seconds=math.inf)
    registry.add(work)
    metrics = MetricsMiddleware()
    registry.use(production(attempts=ATTEMPTS, attempt_seconds=ATTEMPT_SECONDS, metrics=metrics))
    async with registry:
        async with anyio.create_task_group() as tasks:
            for number in range(calls):
                tasks.start_soon(one, registry, number)
            await anyio.sleep(WORK_SECONDS)
            for scope in leavers:
                scope.cancel()
        inflight, busy = len(registry.inflight()), registry.threads.busy
    seconds = time.perf_counter() - began
    started = sum(result.attempts for result in results)
    outcomes.update("ok" if result.error is None else result.error.code.value for result in results)
    seen = metrics.snapshot()["work"]
    measured = {"ok": seen.ok, "cancelled": seen.cancelled, **seen.errors}
    del registry, work, one
    leavers.clear()
    results.clear()
    # Threads of before may have ended meanwhile.
    left = {what: max(0, number - before[what]) for what, number in census().items()}
    return Burst(
        backend=backend,
        calls=calls,
        seconds=seconds,
        started=started,
        most_at_once=most,
        outcomes=dict(sorted((what, number) for what, number in outcomes.items() if number)),
        logged=dict(sorted(logged.items())),
        measured=dict(sorted(measured.items())),
        left={**left, "calls in flight": inflight, "tools running": running, "busy threads": busy},
        memory_bytes=peak(),
    )


def census() -> dict[str, int]:
    """How many there are of what a call may leave behind."""
    gc.collect()
    try:
        loop: Any = asyncio.get_running_loop()
        tasks, timers = len(asyncio.all_tasks()), sum(not timer.cancelled() for timer in loop._scheduled)  # noqa: SLF001
    except RuntimeError:
        tasks, timers = sys.modules["trio"].lowlevel.current_statistics().tasks_living, 0
    calls = sum(isinstance(kept, Call) for kept in gc.get_objects())
    return {"tasks": tasks, "timers": timers, "threads": threading.active_count(), "calls in memory": calls}


def peak() -> int:
    """The most bytes that this process has had in use, so far."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
