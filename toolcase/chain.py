"""Middleware in their stages, compiled to closures: what stands around a tool, and what failing there means.

    boundary 0 ── observers outside; inside: validate, the first guard
    boundary k ── between guard k-1 and guard k
    boundary n ── between the last guard and ACT

Each boundary remembers in `call.info` what passed it last on the way out. So, when a guard fails itself,
the boundary outside it knows whether the rest had run, and with what outcome; and the observers' isolation
knows what to hand to the caller whatever an observer did.
"""

from __future__ import annotations

import fnmatch
import inspect
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import anyio.lowlevel

from toolcase.bulkhead import KeyedPermits, ToolsOwnBulkhead
from toolcase.call import Call, Inner, Middleware, Stage, running
from toolcase.chunk_hooks import check_hooks, has_hooks
from toolcase.clock import asyncio_task
from toolcase.errors import Denied, ToolError
from toolcase.events import GuardFailed, MiddlewareFailed
from toolcase.hooked import around_form
from toolcase.invoke import invoker
from toolcase.result import complete
from toolcase.timer import ToolsOwnTimeout, limited
from toolcase.tool import Tool

TWICE = "an observer calls inner once"


class Used(NamedTuple):
    """A middleware as a registry uses it: around the tools whose name matches `only`."""

    middleware: Middleware
    only: str = "*"

    def matches(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.only)


def stage_of(middleware: Middleware) -> Stage:
    """Where it says that it stands; GUARD where it does not say."""
    stage = getattr(middleware, "stage", Stage.GUARD)
    if not isinstance(stage, Stage):
        raise TypeError(f"{label(middleware)}.stage must be a Stage, got {stage!r}")
    return stage


def label(middleware: Middleware) -> str:
    """How a middleware is called in messages and in `print(registry)`."""
    own: Any = type(middleware).__str__
    default = getattr(middleware, "__name__", type(middleware).__name__)
    return default if own is object.__str__ else str(middleware)


def check(middleware: Middleware) -> Middleware:
    """The middleware, if it can be one; TypeError with the mend if not."""
    if isinstance(middleware, type):
        raise TypeError(f"{middleware.__name__} is a class; give an instance: {middleware.__name__}(...)")
    if not (callable(middleware) or has_hooks(middleware)):
        raise TypeError(f"a middleware is `async (call, inner) -> value`, or has hooks, got {middleware!r}")
    check_hooks(middleware, label(middleware), stage_of(middleware))
    if inspect.iscoroutinefunction(getattr(middleware, "on_event", None)):
        raise TypeError(f"{label(middleware)}.on_event must be a plain `def`: events are told, not awaited")
    return middleware


async def run_chain(call: Call, chain: Inner) -> Any:
    """Run a call on its compiled way: it is the running call meanwhile, and its error says what is known."""
    info, calls = call.info, call.host.calls
    token = running.set(call)
    calls.add(call)
    try:
        return await chain(call)
    except ToolError as error:
        complete(error, call)
        raise
    except BaseException as error:
        cut = None if info._stop is None else await info._stop.settle(error)
        if cut is None:
            raise
        complete(cut, call)
        raise cut from error
    finally:
        calls.discard(call)
        # What passed the boundaries is nobody's any more; an error here would hold its own frames.
        info._ended, info._value, info._error = True, None, None
        try:  # noqa: SIM105  suppress() costs, on the path of every call
            running.reset(token)
        except ValueError:
            pass  # closed from outside, after its loop had gone: another context, and nothing to put back
        if info._leash is not None:
            await info._leash.end()
        if info._stop is not None:
            info._stop.over()


def arrange(
    tool: Tool[..., Any], used: Iterable[Used], permits: KeyedPermits | None = None
) -> dict[Stage, list[Middleware]]:
    """What stands around this tool, by stage, outermost first.

    The registry's middleware stand outside the tool's own. Those of ACT are left out around a combinator,
    so that a retry does not multiply with those around its children; the tool's own ones stay. `permits` are
    for tools that say how many of their calls may run at once.
    """
    found: dict[Stage, list[Middleware]] = {stage: [] for stage in Stage}
    for entry in used:
        stage = stage_of(entry.middleware)
        if entry.matches(tool.name) and not (stage is Stage.ACT and tool.children):
            found[stage].append(entry.middleware)
    for middleware in flat(tool.middleware):
        found[stage_of(middleware)].append(middleware)
    found[Stage.ACT] = _with_limits(found[Stage.ACT], tool.timeout)
    if tool.max_concurrent is not None:
        found[Stage.ACT] = _with_permits(found[Stage.ACT], tool.max_concurrent, permits or KeyedPermits())
    return found


def compile_chain(
    tool: Tool[..., Any], used: Iterable[Used], permits: KeyedPermits | None = None, *, validate: bool = True
) -> Inner:
    """The whole way through the stages to the function, as one step."""
    stages = arrange(tool, used, permits)
    step = invoker(tool)
    for middleware in reversed(stages[Stage.ACT]):
        step = _layer(middleware, step)
    _warn_of_order(tool, stages[Stage.ACT])
    step = _guarded(stages[Stage.GUARD], step)
    step = _admitted(tool, step, validate=validate)
    return _observed(stages[Stage.OBSERVE], step, next(iter(stages[Stage.GUARD]), None))


def flat(middleware: Iterable[Any]) -> Iterator[Middleware]:
    """Middleware one by one, those of stacks and lists included."""
    for entry in middleware:
        # A string has strings in it for ever, and what has hooks is one, whatever it may be besides.
        if isinstance(entry, Iterable) and not isinstance(entry, str) and not has_hooks(entry):
            yield from flat(entry)
        else:
            yield check(entry)


def compile_refusal(name: str, used: Iterable[Used], error: Exception) -> Inner:
    """The way for one call that cannot be made: its observers see it, then the caller gets the error."""

    async def refuse(call: Call) -> Any:
        nonlocal error
        try:
            raise error
        finally:
            del error  # it holds the frames that it came through, and these hold us

    around = (entry.middleware for entry in used if entry.matches(name))
    observers = [middleware for middleware in around if stage_of(middleware) is Stage.OBSERVE]
    return _observed(observers, refuse, None)


def _layer(middleware: Middleware, inner: Inner) -> Inner:
    """A middleware around inner, with no coroutine of ours in between."""
    around = around_form(middleware)
    return lambda call: around(call, inner)


# ACT


def _with_limits(acting: list[Middleware], seconds: float | None) -> list[Middleware]:
    """The same, with each limit of time told whether it is around retries, and the tool's own in its place.

    That is the innermost limit inside all retries; where there is none, one more.
    """
    placed: list[Middleware] = []
    inside = True
    for middleware in reversed(acting):
        inside = inside and not getattr(middleware, "repeats", False)
        with_limit = getattr(middleware, "with_limit", None)
        if with_limit is None:
            placed.append(middleware)
        elif inside:
            placed.append(with_limit(seconds=seconds, kind="attempt"))
            seconds = None
        else:
            placed.append(with_limit(kind="total"))
    return [*reversed(placed), *([] if seconds is None else [ToolsOwnTimeout(seconds)])]


def _with_permits(acting: list[Middleware], limit: int, permits: KeyedPermits) -> list[Middleware]:
    """The same, with the tool's own number in the innermost bulkhead that counts the calls of each tool.

    Where there is none, one more, just outside an attempt's limit of time: no attempt waits for its turn.
    """
    for place in reversed(range(len(acting))):
        placed = getattr(acting[place], "with_max_concurrent", lambda limit: None)(limit)
        if placed is not None:
            return [*acting[:place], placed, *acting[place + 1 :]]
    attempts = [place for place, each in enumerate(acting) if getattr(each, "kind", None) == "attempt"]
    place = attempts[-1] if attempts else len(acting)
    return [*acting[:place], ToolsOwnBulkhead(limit, permits), *acting[place:]]


def _warn_of_order(tool: Tool[..., Any], acting: Sequence[Middleware]) -> None:
    """An unusual order inside ACT is allowed, and mostly a mistake."""
    for said, mend in order_faults(acting):
        warnings.warn(f"tool {tool.name!r}: {said}; {mend}", stacklevel=2)


def order_faults(acting: Sequence[Middleware]) -> Iterator[tuple[str, str]]:
    """What is unusual in this order, outermost first, and the mend.

    A middleware says with `inside_retry` on which side of a retry it belongs, if it belongs on one.
    """
    retries = [place for place, each in enumerate(acting) if getattr(each, "repeats", False)]
    if len(retries) > 1:
        several = " and ".join(label(acting[place]) for place in retries)
        yield f"the attempts of {several} multiply", "keep one of them"
    for place, each in enumerate(acting if retries else ()):
        wanted = getattr(each, "inside_retry", None)
        if wanted is True and place < retries[-1]:
            yield f"{label(each)} is outside {label(acting[retries[-1]])}", "use it after the retry"
        elif wanted is False and place > retries[0]:
            yield f"{label(each)} is inside {label(acting[retries[0]])}", "use it before the retry"


# GUARD


def _guarded(guards: Sequence[Middleware], step: Inner) -> Inner:
    """The guards around step, with a boundary inside each."""
    relying = next((guard for guard in guards if getattr(guard, "needs_frozen", False)), None)
    for index, guard in reversed(list(enumerate(guards))):
        step = _boundary(index + 1, step, next(iter(guards[index + 1 :]), None))
        step = _layer(guard, step)
        if guard is relying:
            step = _frozen(step)
    return step


def _boundary(index: int, inner: Inner, guard: Middleware | None) -> Inner:
    """Settles what the guard just inside failed with, and remembers what passes out."""

    async def boundary(call: Call) -> Any:
        info = call.info
        if index == 0:
            if info._entered:
                raise RuntimeError(TWICE)
            info._entered = True
        error: BaseException | None = None
        try:
            value = await inner(call)
        except BaseException as raised:  # noqa: BLE001  it goes on below
            value, error = None, raised
            if guard is not None and isinstance(raised, Exception) and not isinstance(raised, ToolError):
                try:
                    error = await _settled(call, index, guard, raised)
                except BaseException as passing:  # noqa: BLE001  likewise
                    error = passing
                value = info._value
        info._passed, info._value, info._error = index, value, error
        if error is None:
            return value
        try:  # outside the except block, so that what is raised here keeps its own context
            raise error
        finally:
            del error

    return boundary


async def _settled(call: Call, index: int, guard: Middleware, error: BaseException) -> BaseException | None:
    """What the call ends with where a guard raised something of its own; None for inner's value."""
    info = call.info
    if info._passed != index + 1:  # what it guards had not ended, and mostly not begun
        denied = Denied(f"{call.name!r} was refused: a check before it could not be completed")
        denied.__cause__ = error
        info.outcome_unknown = info.outcome_unknown or info.attempts > 0
        return denied
    own = info._error
    if error is own or (own is not None and _wraps(error, own)):
        return own
    if own is not None and not isinstance(own, Exception):
        await _pass_on(own)
        return error  # a scope of the guard's own cancelled inner, and this is what came of it
    call.host.report(GuardFailed(tool=call.name, middleware=guard, error=error))
    return own


def _frozen(inner: Inner) -> Inner:
    """Before the first guard that must be able to rely on it: nobody else holds the same containers."""

    return lambda call: inner(call.with_own_arguments())


# Between OBSERVE and GUARD


def _admitted(tool: Tool[..., Any], inner: Inner, *, validate: bool) -> Inner:
    """Validates the arguments and arms the caller's own limit."""
    checked = tool.schema.validate if validate else dict

    def admit(call: Call) -> Any:
        call._validated = checked(call.given)  # type: ignore[arg-type]
        if call.limit is None:
            return inner(call)
        return limited(inner, call, call.limit, "total")

    return admit


# OBSERVE


def _observed(observers: Sequence[Middleware], step: Inner, first: Middleware | None) -> Inner:
    """The boundary outside the first guard, and the observers around it."""
    if not observers and first is None:
        return step
    step = _boundary(0, step, first)
    for observer in reversed(observers):
        step = _isolated(observer, step)
    listeners = tuple(observer for observer in observers if hasattr(observer, "on_event"))
    if not listeners:
        return step

    def begin(call: Call) -> Any:
        call._listeners += listeners  # to who reads the stream
        return step(call)

    return begin


def _isolated(observer: Middleware, inner: Inner) -> Inner:
    """The observer around inner, so that the caller gets what inner gave whatever the observer does."""
    around = around_form(observer)

    async def observed(call: Call) -> Any:
        info = call.info
        if info._entered:
            raise RuntimeError(TWICE)
        fault: Exception | None = None
        try:
            await around(call, inner)
        except Exception as error:
            if info._passed == 0 and error is info._error:
                raise
            fault = error
        # Any other BaseException passes: cancelled, or the program ends.
        if fault is None and info._passed == 0 and info._error is None:
            return info._value
        return await _without(observer, call, inner, fault)

    return observed


async def _without(observer: Middleware, call: Call, inner: Inner, fault: Exception | None) -> Any:
    """The rare ends: the observer failed, did not call inner, or swallowed what inner raised."""
    info = call.info
    own = info._error
    if fault is None or own is None or not _wraps(fault, own):
        error = fault or RuntimeError("the observer returned, and not with what inner gave")
        call.host.report(MiddlewareFailed(tool=call.name, middleware=observer, error=error))
    if not info._entered:
        return await inner(call)
    if info._passed != 0:
        raise RuntimeError(f"observer {label(observer)} left the call running behind its back") from fault
    if own is None:
        return info._value
    if not isinstance(own, Exception):
        await _pass_on(own)
        raise fault or RuntimeError(f"observer {label(observer)} cancelled the call")
    raise own


# What both need


def _wraps(group: BaseException, error: BaseException) -> bool:
    """Whether `group` is an exception group round this very error and nothing else."""
    while isinstance(group, BaseExceptionGroup) and len(group.exceptions) == 1:
        group = group.exceptions[0]
        if group is error:
            return True
    return False


async def _pass_on(ended_by: BaseException) -> None:
    """Let go on what is no error: the end of the program, or a cancellation that somebody outside sent.

    Returns if it is a cancellation that a scope further in has made.
    """
    task = asyncio_task()
    if not isinstance(ended_by, anyio.get_cancelled_exc_class()) or (task is not None and task.cancelling()):
        raise ended_by
    await anyio.lowlevel.checkpoint_if_cancelled()
