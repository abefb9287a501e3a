"""Trying again."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import anyio

from toolcase.call import Call, Inner, Stage
from toolcase.errors import InvalidResult
from toolcase.events import AttemptStarted, MiddlewareFailed, RetriesExhausted, RetryScheduled
from toolcase.retry.backoff import Random
from toolcase.retry.policy import RetryPolicy, lone, retry_after
from toolcase.timer import remaining
from toolcase.tool import Tool


class _Rejected(Exception):
    """A value that the policy asks to try again for, on its way from the tool to the retry around it."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Attempt(NamedTuple):
    """What must be known of an attempt to decide on another."""

    number: int
    started: bool
    """Whether the tool was, or something further in refused it."""
    error: Exception | None
    """None where it gave a value that was rejected."""


@dataclass(frozen=True, slots=True)
class RetryMiddleware:
    """Run the rest of the way again while the policy accepts its error; then raise the last error.

    A value that the policy's `retry_if_result` asks to try again for counts as a failed attempt; that of the
    last attempt is returned. Cancellation, an outer limit of time, and whatever else is no `Exception` pass
    at once. A tool declared `idempotent=False` is run again only if nothing was done yet, or the call has an
    idempotency key; its error then says `outcome_unknown`.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = random.random
    stage: ClassVar[Stage] = Stage.ACT
    repeats: ClassVar[bool] = True

    async def __call__(self, call: Call, inner: Inner) -> Any:
        return await self.bind(call.tool, inner)(call)

    def bind(self, tool: Tool[..., Any] | None, inner: Inner) -> Inner:
        """The same, settled when the chain is compiled."""
        policy = self.policy
        if policy.retry_if_result is not None:
            inner = self._judging(inner)

        async def attempts(call: Call) -> Any:
            attempt, waited = 1, 0.0
            while True:
                if call.observed:
                    call.notify(AttemptStarted(tool=call.name, number=attempt))
                started_before = call.info.attempts
                try:
                    # What an attempt does to its arguments is not to be seen by the next one.
                    return await inner(call.with_own_arguments())
                except Exception as error:
                    started = call.info.attempts > started_before
                    wait = self._wait(call, error, attempt, waited, started=started)
                    if wait is None:
                        if isinstance(error, _Rejected):
                            return error.value
                        raise
                # Outside the except block, or the next attempt's error would carry this one as its context.
                await anyio.sleep(wait)
                attempt, waited = attempt + 1, wait

        if policy.budget is None or tool is None:
            return attempts
        deposit = policy.budget.bucket(tool).deposit

        def budgeted(call: Call) -> Awaitable[Any]:
            deposit()
            return attempts(call)

        return budgeted

    def _judging(self, inner: Inner) -> Inner:
        """Inner, with `_Rejected` for a value that is worth another try."""

        async def judge(call: Call) -> Any:
            value = await inner(call)
            if self._asked(call, False, self.policy.rejects, value):
                raise _Rejected(value)
            return value

        return judge

    def __str__(self) -> str:
        return f"RetryMiddleware({self.policy.max_attempts} attempts)"

    def _wait(
        self, call: Call, error: Exception, number: int, waited: float, *, started: bool
    ) -> float | None:
        """Seconds until the next attempt, None for no further one."""
        ended = _Attempt(number, started, None if isinstance(error, _Rejected) else error)
        asked = None
        if ended.error is not None:
            # An InvalidResult came after the effect, and a second one would mend nothing.
            if isinstance(lone(error), InvalidResult):
                return None
            if not self._asked(call, False, self.policy.accepts, error):
                return None
            asked = retry_after(lone(error), call.host.clock.utcnow())
        call.info.retry_after = asked
        wait, reason = math.nan, self._reason(call, ended, asked)
        if not reason:
            backoff = self.policy.backoff
            wait = self._asked(call, math.nan, backoff.wait, number, self.random, waited)
            if not 0 <= wait < math.inf:
                reason = f"the backoff gave {wait!r} seconds"
            elif max(wait, asked or 0.0) >= remaining(call):
                reason = "the next attempt would start after the deadline"
            elif not self._paid(call.tool):  # last, so that nothing is paid for a retry that is not made
                reason = "the retry budget of the tool is empty"
        if reason:
            self._gave_up(call, ended, reason)
            return None
        wait = max(wait, asked or 0.0)
        if ended.error is not None:
            call.info.failed_before(ended.error)
        call.notify(RetryScheduled(tool=call.name, number=number, error=ended.error, wait=wait))
        return wait

    def _gave_up(self, call: Call, ended: _Attempt, reason: str) -> None:
        number, error = ended.number, ended.error
        if number > 1 and error is not None:
            with contextlib.suppress(Exception):  # some exceptions take no notes
                error.add_note(f"toolcase gave up on {call.name!r}: {reason}")
        call.notify(RetriesExhausted(tool=call.name, number=number, error=error, reason=reason))

    def _reason(self, call: Call, ended: _Attempt, asked: float | None) -> str:
        """Why there can be no further attempt, whatever the time; nothing where there can be one."""
        policy = self.policy
        if call.cancelled:
            return "the run was cancelled"
        if policy.max_attempts == 1:
            return "the policy allows one attempt"
        if self._repeats_an_effect(call, ended):
            # A value tells that the effect has happened; after an error nobody knows.
            call.info.outcome_unknown = call.info.outcome_unknown or ended.error is not None
            return "the tool is not idempotent and the call has no idempotency key"
        if ended.number >= policy.max_attempts:
            return f"{ended.number} attempts were made"
        if any(isinstance(value, Iterator) for value in call.arguments.values()):
            return "an argument can be read only once"
        if asked is not None and asked > policy.max_retry_after:
            return f"it asks to wait {asked:g} s, more than max_retry_after={policy.max_retry_after:g}"
        return ""

    def _repeats_an_effect(self, call: Call, ended: _Attempt) -> bool:
        """Whether another attempt could do a second time what must be done once."""
        if call.tool is None or call.tool.idempotent is not False or _keyed(call):
            return False
        error = ended.error
        done_nothing = error is not None and isinstance(lone(error), self.policy.not_dispatched)
        return ended.started and not done_nothing

    def _paid(self, tool: Tool[..., Any] | None) -> bool:
        """Whether the tool's budget, where it has one, has taken on another retry."""
        budget = self.policy.budget
        return budget is None or tool is None or budget.bucket(tool).withdraw()

    def _asked(self, call: Call, default: Any, question: Callable[..., Any], *facts: Any) -> Any:
        """What the policy says; its own failure is only reported, because the tool's error must stand."""
        try:
            return question(*facts)
        except Exception as fault:  # noqa: BLE001  foreign code
            call.host.report(MiddlewareFailed(tool=call.name, middleware=self, error=fault))
            return default


def _keyed(call: Call) -> bool:
    """Whether a key was given to this very call: one that came down from its parent names another effect."""
    key = call.context.idempotency_key
    return key is not None and (call.parent is None or call.parent.context.idempotency_key != key)
