"""Circuits of several instances, kept in step through a store, at little cost to a few calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import anyio
import msgspec

from toolcase.clock import Clock, seconds
from toolcase.events import CircuitChanged
from toolcase.keyed import Keyed
from toolcase.middleware.breaker.circuit import Circuit, CircuitState
from toolcase.middleware.breaker.circuits import Circuits
from toolcase.ports import CircuitRecord, CircuitStore

STORE_SECONDS = 1.0


class Known(msgspec.Struct):
    """What the store and we know of each other, for one circuit."""

    version: int | None = None
    """Of the record that was loaded or saved last; None before."""
    told: int = 0
    """The generation of the circuit that the store knows of."""
    asked: int | None = None
    """The generation in which the store was asked last; None before."""
    due: float = math.inf
    """When it is to be asked again; where the circuit is in another generation by now, at once."""


class Sharing:
    """Exchanges circuits with a store: each at most once per interval and change, by one call that waits."""

    __slots__ = ("_circuits", "_failing", "_interval", "_known", "_store")

    def __init__(self, store: CircuitStore, circuits: Circuits, interval: float, most: int) -> None:
        self._store, self._circuits = store, circuits
        self._interval = seconds(interval, "refresh_seconds")
        # Guarded by the lock of the circuits. One that is dropped is learnt again.
        self._known: Keyed[Known] = Keyed(Known, idle=lambda known: True, most=most)
        self._failing = False

    async def refresh(
        self, key: Hashable, clock: Clock, failed: Callable[[Exception], None]
    ) -> CircuitChanged | None:
        """Exchange this circuit if that is due; gives the change, if what the store knew changed it.

        A store that fails, or takes longer than a second, is told to `failed`, once until it works again.
        """
        now = clock.monotonic()
        with self._circuits.lock:
            circuit, known = self._circuits.get(key), self._known.get(key)
            if circuit is None or known is None or (now < known.due and known.asked == circuit.generation):
                return None
            # Before we wait, so that calls which come meanwhile go on with what is known here.
            known.due, known.asked = now + self._interval, circuit.generation
        try:
            with anyio.fail_after(STORE_SECONDS):
                change = await self._exchange(key, circuit, known, clock)
        except Exception as error:  # noqa: BLE001  foreign code, and the call can do without it
            if not self._failing:
                self._failing = True
                failed(error)
            return None
        self._failing = False
        return change

    async def _exchange(
        self, key: Hashable, circuit: Circuit, known: Known, clock: Clock
    ) -> CircuitChanged | None:
        name = key if isinstance(key, str) else repr(key)
        record = await self._store.load(name)
        now = clock.monotonic()
        with self._circuits.lock:
            state, generation = circuit.state, circuit.generation
            ours = generation != known.told and state is not CircuitState.HALF_OPEN
            if record is not None and record.version != known.version:
                theirs = CircuitState(record.state)
                if theirs is CircuitState.HALF_OPEN:
                    raise ValueError(
                        f"the store of circuits gave the state {record.state!r}, which none saves"
                    )
                # Who changed last holds; but what somebody isolated, only somebody resets.
                if not ours or (theirs is CircuitState.ISOLATED and state is not CircuitState.ISOLATED):
                    rest = max(0.0, record.remaining)
                    before = circuit.adopt(theirs, now, remaining=rest, cause=record.cause)
                    known.version, known.told = record.version, circuit.generation
                    known.asked = circuit.generation
                    return self._circuits.changed(key, circuit, before)
            if not ours:
                return None
            rest = max(0.0, circuit.until - now) if state is CircuitState.OPEN else 0.0
            news = CircuitRecord(state=state.value, remaining=rest, cause=circuit.cause)
        expected = 0 if record is None else record.version
        if await self._store.save(name, news, expected):
            known.version, known.told = expected + 1, generation
        return None
