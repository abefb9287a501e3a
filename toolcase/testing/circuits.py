"""A store of circuits in memory, and what every store of circuits must do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from msgspec.structs import replace

from toolcase.clock import Clock, SystemClock
from toolcase.ports import CircuitRecord, CircuitStore


class MemoryCircuits:
    """A `CircuitStore` for breakers in one process, for tests; it keeps every key for ever."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        # With each record the time at which it was saved.
        self._records: dict[str, tuple[CircuitRecord, float]] = {}

    async def load(self, key: str) -> CircuitRecord | None:
        """As `CircuitStore.load`."""
        await anyio.lowlevel.checkpoint()
        if key not in self._records:
            return None
        record, saved = self._records[key]
        return replace(record, remaining=max(0.0, record.remaining - (self._clock.monotonic() - saved)))

    async def save(self, key: str, record: CircuitRecord, expected: int) -> bool:
        """As `CircuitStore.save`."""
        await anyio.lowlevel.checkpoint()
        there = self._records[key][0].version if key in self._records else 0
        if there != expected:
            return False
        self._records[key] = replace(record, version=expected + 1), self._clock.monotonic()
        return True


async def check_circuit_store(
    store: CircuitStore, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> None:
    """AssertionError unless this empty store keeps its promises; `sleep` lets its clock go on."""
    first = CircuitRecord(state="open", remaining=10.0, cause="ConnectionError")
    _demand(await store.load("a") is None, "load gives None for a key that was never saved")
    _demand(not await store.save("a", first, 3), "save refuses an expected version that is not there")
    _demand(await store.load("a") is None, "a refused save leaves nothing")
    _demand(await store.save("a", first, 0), "save takes 0 for a key that was never saved")
    _demand(not await store.save("a", first, 0), "of two saves that expect the same version one is refused")
    found = await store.load("a")
    same = found is not None and replace(found, remaining=10.0) == replace(first, version=1)
    _demand(same, f"load gives what was saved, as version 1, got {found!r}")
    await sleep(2.0)
    found = await store.load("a")
    left = -1.0 if found is None else found.remaining
    _demand(7.0 <= left <= 8.0, f"remaining goes down by the store's clock, got {left!r} after 2 of 10 s")
    _demand(await store.load("b") is None, "keys are apart")
    last = CircuitRecord(state="isolated", remaining=1.0, cause="maintenance")
    _demand(await store.save("a", last, 1), "save takes the version that is there")
    await sleep(2.0)
    found = await store.load("a")
    _demand(found == replace(last, remaining=0.0, version=2), f"remaining stops at 0, got {found!r}")
    async with anyio.create_task_group() as tasks:
        won: list[bool] = []

        async def race(cause: str) -> None:
            won.append(await store.save("c", CircuitRecord(state="closed", cause=cause), 0))

        for cause in "abcde":
            tasks.start_soon(race, cause)
    _demand(won.count(True) == 1, f"of several saves at once one wins, {won.count(True)} did")


def _demand(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"this store breaks a promise: {promise}")
