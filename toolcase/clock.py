"""The one place that reads a clock."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol


class Clock(Protocol):
    """Tells durations and the calendar apart; everything in toolcase asks one of these."""

    def monotonic(self) -> float:
        """Seconds on the clock that the event loop's own timers run on."""

    def utcnow(self) -> datetime:
        """The calendar, aware and in UTC."""


class SystemClock:
    """The running loop's clock for durations, so that virtual time is virtual here too."""

    __slots__ = ()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            trio = _trio()
            return time.monotonic() if trio is None else float(trio.current_time())

    def utcnow(self) -> datetime:
        return datetime.now(UTC)


def reader(clock: Clock, loop: Any) -> Callable[[], float]:
    """What reads this clock in this loop; of the system's, without asking each time which loop it is."""
    plain = isinstance(clock, SystemClock) and isinstance(loop, asyncio.AbstractEventLoop)
    return loop.time if plain else clock.monotonic


def asyncio_task() -> asyncio.Task[Any] | None:
    """The running asyncio task; None under trio, in a thread of its own, or outside any loop."""
    try:
        return asyncio.current_task(asyncio.get_running_loop())  # half the price of asking without the loop
    except RuntimeError:
        return None


def current_loop() -> Any:
    """What the running code belongs to: the asyncio loop, or trio's token; RuntimeError outside any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio = _trio()
        if trio is None:
            raise
        return trio.lowlevel.current_trio_token()


def _trio() -> Any:
    """The module, where the running code runs on trio."""
    trio = sys.modules.get("trio")  # only what runs on trio has imported it
    lowlevel = getattr(trio, "lowlevel", None)  # another thread may be about to import it
    return trio if lowlevel is not None and lowlevel.in_trio_run() else None


def turns(loop: Any) -> bool:
    """Whether what `current_loop` gave has not ended."""
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.is_running()
    try:
        loop.run_sync_soon(lambda: None)
    except RuntimeError:  # trio.RunFinishedError is one
        return False
    return True


def seconds(value: float, setting: str) -> float:
    """`value` if it is a duration above 0 (infinity included), else an error that names the setting."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{setting} must be a number of seconds, got {value!r}")
    # An integer beyond all floats cannot be added to a clock.
    if not (0 < value <= sys.float_info.max or value == math.inf):
        raise ValueError(f"{setting} must be above 0 seconds, got {value!r}; use math.inf for no limit")
    return value


def count(value: int, setting: str, *, least: int = 1) -> int:
    """`value` if it is a whole number of at least `least`, else an error that names the setting."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{setting} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{setting} must be at least {least}, got {value!r}")
    return value


def number(value: float, setting: str, *, least: float = 0) -> float:
    """`value` if it is a number of at least `least`, else an error that names the setting."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{setting} must be a number, got {value!r}")
    if not value >= least:
        raise ValueError(f"{setting} must be at least {least}, got {value!r}")
    return value
