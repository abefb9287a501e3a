"""Trying again."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anyio

from toolcase.call import Call, Inner, Stage
from toolcase.chunk import StreamChunk
from toolcase.errors import lone
from toolcase.events import AttemptStarted, MiddlewareFailed, RetriesExhausted, RetryScheduled
from toolcase.retry.backoff import Random
from toolcase.retry.policy import RetryPolicy, retry_after
from toolcase.timer import remaining


@dataclass(frozen=True, slots=True)
class RetryMiddleware:
    """Run the rest of the way again while the policy accepts its error; then raise the last error.

    A value that the policy's `retry_if_result` asks to try again for counts as a failed attempt; that of the
    last attempt is returned. Cancellation, an outer limit of time, and whatever else is no `Exception` pass
    at once. A tool declared `idempotent=False` is run again only if nothing was done yet, or the call has an
    idempotency key; its error then says `outcome_unknown`. A stream of which chunks have been handed over is
    tried again only if its tool can `resume`; it has no value to judge.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = random.random
    stage: ClassVar[Stage] = Stage.ACT
    repeats: ClassVar[bool] = True

    async def __call__(self, call: Call, inner: Inner) -> Any:
        budget, judged = self.policy.budget, self.policy.retry_if_result is not None
        if budget is not None:
            budget.deposit(call.tool)
        passing = None
        if call.emit is not None:
            passing = _Passing(call)
            call = passing.call
        number, waited = 1, 0.0
        while True:
            if call.observed:
                call.notify(AttemptStarted(tool=call.name, number=number))
            before = call.info.attempts
            try:
                # What an attempt does to its arguments is not to be seen by the next one.
                value = await inner(call.with_own_arguments())
            except Exception as error:
                wait = self._wait(call, passing, error, number, waited, before)
                if wait is None:
                    raise
            else:
                rejected = (
                    judged and call.emit is None and self._asked(call, False, self.policy.rejects, value)
                )
                wait = self._wait(call, passing, None, number, waited, before) if rejected else None
                if wait is None:
                    return value
            # Outside the except block, or the next attempt's error would carry this one as its context.
            await anyio.sleep(wait)
            number, waited = number + 1, wait

    def __str__(self) -> str:
        return f"RetryMiddleware({self.policy.max_attempts} attempts)"

    def _wait(
        self,
        call: Call,
        passing: _Passing | None,
        error: Exception | None,
        number: int,
        waited: float,
        before: int,
    ) -> float | None:
        """Seconds until the next attempt, None for no further one; without an error the value was rejected.

        `before` is how often the tool had been started before this attempt.
        """
        asked = None
        if error is not None:
            if not self._asked(call, False, self.policy.accepts, error):
                return None
            asked = retry_after(lone(error), call.host.clock.utcnow())
        call.info.retry_after = asked
        wait = math.nan
        reason = self._reason(call, error, number, asked, before) or _handed_over(passing)
        if not reason:
            wait = self._asked(call, math.nan, self.policy.backoff.wait, number, self.random, waited)
            if not 0 <= wait < math.inf:
                reason = f"the backoff gave {wait!r} seconds"
            elif (wait := max(wait, asked or wait)) >= remaining(call):
                reason = "the next attempt would start after the deadline"
            # Last, so that nothing is paid for a retry that is not made.
            elif self.policy.budget is not None and not self.policy.budget.withdraw(call.tool):
                reason = "the retry budget of the tool is empty"
        if reason:
            if number > 1 and error is not None:
                with contextlib.suppress(Exception):  # some exceptions take no notes
                    error.add_note(f"toolcase gave up on {call.name!r}: {reason}")
            call.notify(RetriesExhausted(tool=call.name, number=number, error=error, reason=reason))
            return None
        if error is not None:
            call.info.failed_before(error)
        call.notify(RetryScheduled(tool=call.name, number=number, error=error, wait=wait))
        return wait

    def _reason(
        self, call: Call, error: Exception | None, number: int, asked: float | None, before: int
    ) -> str:
        """Why there can be no further attempt, whatever the time; nothing where there can be one."""
        policy = self.policy
        if call.cancelled:
            return "the run was cancelled"
        if policy.max_attempts == 1:
            return "the policy allows one attempt"
        started = call.info.attempts > before
        done = started and (error is None or not isinstance(lone(error), policy.not_dispatched))
        if done and call.tool is not None and call.tool.idempotent is False and not _keyed(call):
            # A value tells that the effect has happened; after an error nobody knows.
            call.info.outcome_unknown = call.info.outcome_unknown or error is not None
            return "the tool is not idempotent and the call has no idempotency key"
        if number >= policy.max_attempts:
            return f"{number} attempts were made"
        if any(isinstance(value, Iterator) for value in call.arguments.values()):
            return "an argument can be read only once"
        if asked is not None and asked > policy.max_retry_after:
            return f"it asks to wait {asked:g} s, more than max_retry_after={policy.max_retry_after:g}"
        return ""

    def _asked(self, call: Call, default: Any, question: Callable[..., Any], *facts: Any) -> Any:
        """What the policy says; its own failure is only reported, because the tool's error must stand."""
        try:
            return question(*facts)
        except Exception as fault:  # noqa: BLE001  foreign code
            call.host.report(MiddlewareFailed(tool=call.name, middleware=self, error=fault))
            return default


class _Passing:
    """A call that streams, and how many chunks have passed on their way to its reader, whoever gave them."""

    __slots__ = ("_before", "_emit", "call", "passed")

    def __init__(self, call: Call) -> None:
        self.passed, self._before = 0, call.info.chunks
        self._emit: Any = call.emit
        self.call = call.streaming_to(self._pass)

    def _pass(self, chunk: StreamChunk) -> Awaitable[None]:
        self.passed += 1
        passed: Awaitable[None] = self._emit(chunk)  # with no coroutine of our own for each chunk
        return passed

    @property
    def foreign(self) -> bool:
        """Whether some of them were not its tool's."""
        return self.passed > self.call.info.chunks - self._before


def _handed_over(passing: _Passing | None) -> str:
    """Why a stream cannot go on; nothing where nobody has seen any of it, or its tool can resume it."""
    if passing is None or not (passing.passed or passing.call.info.chunks):
        return ""
    info, tool = passing.call.info, passing.call.tool
    if tool is None or tool.resume is None:
        return "chunks of it have been handed over already, and the tool has no resume"
    if passing.foreign:
        return "chunks that are not its tool's have been handed over already"
    if info.cursor is None or info.cursor.index + 1 < info.chunks:
        return "a chunk of it was on its way to the reader, and may have arrived"
    return ""


def _keyed(call: Call) -> bool:
    """Whether a key was given to this very call: one that came down from its parent names another effect."""
    key = call.context.idempotency_key
    return key is not None and (call.parent is None or call.parent.context.idempotency_key != key)
