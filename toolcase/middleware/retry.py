"""Trying again."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anyio

from toolcase.call import Call, Inner, Stage
from toolcase.errors import InvalidResult
from toolcase.events import AttemptStarted, MiddlewareFailed, RetriesExhausted, RetryScheduled
from toolcase.retry.backoff import Random
from toolcase.retry.policy import RetryPolicy, retry_after
from toolcase.timer import remaining
from toolcase.tool import Tool


@dataclass(frozen=True, slots=True)
class RetryMiddleware:
    """Run the rest of the way again while the policy accepts its error; then raise the last error.

    Cancellation, an outer limit of time, and whatever else is no `Exception` pass at once. A tool declared
    `idempotent=False` is run again only if it was not started, or the call has an idempotency key; its
    error then says `outcome_unknown`.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = random.random
    stage: ClassVar[Stage] = Stage.ACT
    repeats: ClassVar[bool] = True

    async def __call__(self, call: Call, inner: Inner) -> Any:
        return await self.bind(call.tool, inner)(call)

    def bind(self, tool: Tool[..., Any] | None, inner: Inner) -> Inner:
        """The same, settled when the chain is compiled."""

        async def attempts(call: Call) -> Any:
            attempt = 1
            while True:
                if call.observed:
                    call.notify(AttemptStarted(tool=call.name, number=attempt))
                started_before = call.info.attempts
                try:
                    # What an attempt does to its arguments is not to be seen by the next one.
                    return await inner(call.with_own_arguments())
                except Exception as error:
                    started = call.info.attempts > started_before
                    wait = self._wait(call, error, attempt, started=started)
                    if wait is None:
                        raise
                    call.info.failed_before(error)
                    call.notify(RetryScheduled(tool=call.name, number=attempt, error=error, wait=wait))
                # Outside the except block, or the next attempt's error would carry this one as its context.
                await anyio.sleep(wait)
                attempt += 1

        return attempts

    def __str__(self) -> str:
        return f"RetryMiddleware({self.policy.max_attempts} attempts)"

    def _wait(self, call: Call, error: Exception, attempt: int, *, started: bool) -> float | None:
        """Seconds until the next attempt, None for no further one."""
        # An InvalidResult came after the effect, and a second one would mend nothing.
        if isinstance(error, InvalidResult) or not self._asked(call, False, self.policy.accepts, error):
            return None
        call.info.retry_after = asked = retry_after(error, call.host.clock.utcnow())
        wait, reason = math.nan, self._reason(call, attempt, asked, started=started)
        if not reason:
            wait = self._asked(call, math.nan, self.policy.backoff.wait, attempt, self.random)
            if not 0 <= wait < math.inf:
                reason = f"the backoff gave {wait!r} seconds"
            elif max(wait, asked or 0.0) >= remaining(call):
                reason = "the next attempt would start after the deadline"
        if not reason:
            return max(wait, asked or 0.0)
        if attempt > 1:
            with contextlib.suppress(Exception):  # some exceptions take no notes
                error.add_note(f"toolcase gave up on {call.name!r}: {reason}")
        call.notify(RetriesExhausted(tool=call.name, number=attempt, error=error, reason=reason))
        return None

    def _reason(self, call: Call, attempt: int, asked: float | None, *, started: bool) -> str:
        """Why there can be no further attempt, whatever the time; nothing where there can be one."""
        if attempt >= self.policy.max_attempts:
            return f"{attempt} attempts were made" if attempt > 1 else "the policy allows one attempt"
        if started and call.tool is not None and call.tool.idempotent is False and not _keyed(call):
            call.info.outcome_unknown = True
            return "the tool is not idempotent and the call has no idempotency key"
        if any(isinstance(value, Iterator) for value in call.arguments.values()):
            return "an argument can be read only once"
        if asked is not None and asked > self.policy.max_retry_after:
            return f"it asks to wait {asked:g} s, more than max_retry_after={self.policy.max_retry_after:g}"
        return ""

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
