"""Runs a scenario again and again, cancelled each time at another of its awaits, and looks what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any

import anyio

from toolcase.clock import asyncio_task
from toolcase.testing.leftovers import Before, generators_watched
from toolcase.testing.runner import run
from toolcase.testing.virtual import Deadlock, place

Scenario = Callable[[], Coroutine[Any, Any, Any]]

AFTERWARDS_SECONDS = 1.0
"""How long we stay, in virtual time, for what would strike late, and until abandoned threads have ended."""


class Way(Enum):
    """How a scenario is cancelled. On trio there are only scopes."""

    TASK = "task.cancel()"
    """While it waits."""
    WAKE_UP = "task.cancel() in the same tick as the wake-up"
    """When what it waits for has come and it does not know yet: the moment in which permits get lost."""
    SCOPE = "a cancel scope"
    """While it waits."""


class CancellationFault(AssertionError):
    """A scenario that did not end well when it was cancelled; the message says where, and what was wrong."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was tried: how often the scenario suspends, and where it was cancelled in which way."""

    suspensions: int
    cancelled: tuple[tuple[Way, str], ...]

    def __str__(self) -> str:
        return f"{self.suspensions} suspensions, cancelled {len(self.cancelled)} times"


def cancel_at_every_await(
    scenario: Scenario,
    *,
    backend: str = "asyncio",
    ways: Collection[Way] = tuple(Way),
    check: Callable[[], object] | None = None,
    absorbs: bool = False,
    outliving: Collection[str] = (),
    variables: Collection[ContextVar[Any]] = (),
) -> Report:
    """Run the scenario once to its end, then once for each suspension in it, cancelled there.

    It is an async function of no arguments that makes all it needs, and does the same each time. It runs in
    virtual time; the suspensions of tasks that it starts count too. Afterwards nothing may be left: no task,
    timer, thread slot, open async generator, changed context variable or late cancellation; and it must have
    ended cancelled, or as it ends otherwise if the cancellation did not reach it. Else CancellationFault.

    `check` is called after each run, for what only you know of: permits, spans, stores. `absorbs` says that
    the scenario may catch a cancellation and go on to its end. `outliving` are names of tasks that may live
    on (as in `fnmatch`), with any timers; `variables` are the context variables that may change.
    """
    rules = _Rules(scenario, check, absorbs, tuple(outliving), tuple(variables))
    whole = _attempt(rules, backend, None, 0)
    cancelled: list[tuple[Way, str]] = []
    for way in ways:
        if backend == "trio" and way is not Way.SCOPE:
            continue
        for number in range(1, whole.suspensions + 1):
            strike = _attempt(rules, backend, way, number)
            cancelled.append((way, strike.place))
    return Report(whole.suspensions, tuple(cancelled))


@dataclass(frozen=True, slots=True)
class _Rules:
    scenario: Scenario
    check: Callable[[], object] | None
    absorbs: bool
    outliving: tuple[str, ...]
    variables: tuple[ContextVar[Any], ...]


def _attempt(rules: _Rules, backend: str, way: Way | None, number: int) -> _Strike:
    """One run; CancellationFault if anything about it was wrong."""
    strike = _Strike(way, number)
    problems: list[str] = []
    cause: BaseException | None = None
    try:
        cause = run(_observed, rules, strike, problems, backend=backend)
    except Deadlock as error:
        problems.append(f"it never ended: {error}")
    except Exception as error:  # noqa: BLE001  what reached the loop's handler, and no await
        cause = error
        problems.append(f"this reached the event loop: {error!r}")
    if way is not None and not strike.struck:
        problems.append(
            f"it suspended {strike.suspensions} times and more often before; "
            "a scenario must do the same each time"
        )
    if problems:
        raise CancellationFault(f"{strike}: {'; '.join(problems)}") from cause
    return strike


class _Strike:
    """The cancellation of one run: counts suspensions, strikes at one of them, sees whether it was felt."""

    def __init__(self, way: Way | None, number: int) -> None:
        self.way, self.number = way, number
        self.suspensions = 0
        self.place = ""
        self.struck = False
        """Whether the run came to this suspension."""
        self.felt = False
        """Whether the cancellation was raised in the scenario."""
        self._open = False
        self._visible: Callable[[], bool] = lambda: True
        self._scope: anyio.CancelScope | None = None
        self._task: asyncio.Task[Any] | None = None

    def __str__(self) -> str:
        if self.way is None:
            return "run to its end, without any cancellation"
        return f"cancelled by {self.way.value} at suspension {self.number}, at {self.place or 'no place'}"

    @contextmanager
    def over(self, scope: anyio.CancelScope) -> Generator[None]:
        """Counts and strikes meanwhile, in whatever task the scenario starts."""
        self._scope, self._task, self._open = scope, asyncio_task(), True
        try:
            if self._task is None:
                from toolcase.testing import trio_time

                with trio_time.suspensions_watched(self.suspended) as self._visible:
                    yield
            else:
                with self._factory():
                    yield
        finally:
            self._open = False

    @contextmanager
    def _factory(self) -> Generator[None]:
        loop = asyncio.get_running_loop()

        def watched(loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
            return asyncio.Task(Stepped(coroutine, self), loop=loop, **named)

        before = loop.get_task_factory()
        loop.set_task_factory(watched)
        try:
            yield
        finally:
            loop.set_task_factory(before)

    def suspended(self, coroutine: Any, waits_for: Any) -> None:
        """Told at each suspension."""
        if not self._open:
            return
        self.suspensions += 1
        if self.suspensions == self.number:
            self.struck, self.place = True, place(coroutine)
            self._strike(waits_for)

    def _strike(self, waits_for: Any) -> None:
        match self.way:
            case Way.SCOPE if self._scope is not None:
                self._scope.cancel()
            case Way.TASK:
                self._cancel_task()
            case Way.WAKE_UP if isinstance(waits_for, asyncio.Future):
                # Before the task adds its own, and so it is called first.
                waits_for.add_done_callback(self._cancel_task)
            case _:
                asyncio.get_running_loop().call_soon(self._cancel_task)

    def _cancel_task(self, _: Any = None) -> None:
        if self._open and self._task is not None:
            self._task.cancel(_MARK)

    def resumed(self, error: BaseException | None) -> None:
        """Told what is raised in the scenario's own task when it goes on."""
        if self.struck and isinstance(error, anyio.get_cancelled_exc_class()):
            # It may be the cancellation of a limit of time instead; on trio even a sleep ends by one.
            ours = self._task is None or _MARK in error.args or f"{id(self._scope):x}" in str(error)
            self.felt |= ours and self._visible()


_MARK = "toolcase.testing.cancel_at_every_await"


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine, with each of its suspensions told to the strike; `own` is that of the scenario itself."""

    def __init__(self, coroutine: Any, strike: _Strike, *, own: bool = False) -> None:
        self._coroutine, self._strike, self._own = coroutine, strike, own

    def send(self, value: Any) -> Any:
        """Go on until the next suspension."""
        if self._own:
            self._strike.resumed(getattr(value, "error", None))  # as trio sends it
        return self._told(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        """Go on with this raised."""
        if self._own:
            self._strike.resumed(error[0])
        return self._told(self._coroutine.throw(*error))

    def _told(self, waits_for: Any) -> Any:
        if asyncio_task() is not None:  # trio tells it by itself
            self._strike.suspended(self._coroutine, waits_for)
        return waits_for

    def close(self) -> None:
        """As of the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)


async def _observed(rules: _Rules, strike: _Strike, problems: list[str]) -> BaseException | None:
    """Run the scenario once and note what is wrong; gives the error that the fault is raised from."""
    before = Before()
    task = asyncio_task()
    with generators_watched() as unclosed:
        ended = await _ended(rules, strike)
        problems += _wrong_end(rules, strike, ended)
        problems += before.left(outliving=rules.outliving, variables=rules.variables)
        if task is not None:
            problems += _wrong_count(strike, task.cancelling(), isinstance(ended, _Cancelled))
        problems += unclosed()
    try:
        await anyio.sleep(AFTERWARDS_SECONDS)
    except asyncio.CancelledError:
        problems.append("a cancellation struck after it had ended")
    problems += before.held_slots()
    if rules.check is not None:
        try:
            rules.check()
        except Exception as error:  # noqa: BLE001  raised again, with the place
            problems.append(f"the check failed: {error!r}")
            return error
    return ended if isinstance(ended, Exception) else None


class _Cancelled(BaseException):
    """The scenario ended cancelled."""


async def _ended(rules: _Rules, strike: _Strike) -> Any:
    """How the scenario ended: its value, its error, or _Cancelled."""
    cancelled = anyio.get_cancelled_exc_class()
    try:
        with anyio.CancelScope() as scope, strike.over(scope):
            try:
                return await Stepped(rules.scenario(), strike, own=True)
            except BaseExceptionGroup as group:
                if group.split(cancelled)[1] is None:
                    raise
                return group
            except Exception as error:  # noqa: BLE001  told as a problem
                return error
    except (cancelled, BaseExceptionGroup):
        pass
    return _Cancelled()


def _wrong_end(rules: _Rules, strike: _Strike, ended: Any) -> Sequence[str]:
    if isinstance(ended, _Cancelled):
        return [] if strike.struck else ["it was cancelled, and nobody had cancelled it"]
    if isinstance(ended, BaseException):
        return [f"it ended with {ended!r}"]
    if strike.felt and not rules.absorbs:
        return [f"it was cancelled and ended with the value {ended!r}"]
    return []


def _wrong_count(strike: _Strike, count: int, cancelled: bool) -> Sequence[str]:
    """Whether asyncio's own count of cancellations says what happened."""
    native = strike.struck and strike.way is not Way.SCOPE
    if count == native or (native and count == 0 and not cancelled):
        return []
    return [f"task.cancelling() is {count} afterwards"]
