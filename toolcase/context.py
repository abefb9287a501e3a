"""Who asks, on whose behalf, and within which limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import msgspec

from toolcase.cancellation import CancellationToken
from toolcase.terms import BudgetSpec, PolicyRef, ReadOnly, Record, RunVersions, plain


class _Caller(Record, frozen=True, kw_only=True):
    scope_id: str | None = None
    """The tenant."""
    principal_id: str | None = None
    """The person or service that acts."""
    session_id: str | None = None
    """The conversation."""
    run_id: str | None = None
    """One execution, as the host counts them."""
    job_id: str | None = None
    """What the run is in the host's queue."""
    trace_id: str | None = None
    """32 lower-case hex digits, as in W3C Trace Context, where others are to read it."""
    span_id: str | None = None
    """16 lower-case hex digits, likewise."""
    parent_span_id: str | None = None


class RequestContext(_Caller, frozen=True, kw_only=True):
    """What a client of a language model is told of the caller: who, in which run, under which span."""


class ExecutionContext(_Caller, frozen=True, kw_only=True):
    """Who asks, within which limits, and how this call hangs together with others. Immutable.

    It flows into child calls. A tool that declares a parameter of this type is given the context of its
    call, and the parameter is no part of its schema.
    """

    idempotency_key: str | None = None
    """The same key for the same intended effect: a tool hands it on to what it calls."""
    budgets: BudgetSpec | None = None
    policy_ref: PolicyRef | None = None
    versions: RunVersions | None = None
    cancellation: CancellationToken | None = None
    """Of this process alone: not in `to_dict`."""
    metadata: Mapping[str, Any] = ReadOnly()
    """What else the host knows; a copy, which cannot be assigned to."""

    def child(self, *, new_span: bool = True) -> Self:
        """The context of something nested in this one: the same, save for its span."""
        if not new_span:
            return self
        if self.trace_id is not None:
            return self._with(span_id=os.urandom(8).hex(), parent_span_id=self.span_id)
        ids = os.urandom(24).hex()
        return self._with(trace_id=ids[16:], span_id=ids[:16], parent_span_id=self.span_id)

    def with_job(self, job_id: str) -> Self:
        """The same, for a job of the host."""
        return msgspec.structs.replace(self, job_id=job_id)

    def same_caller(self, other: ExecutionContext) -> bool:
        """Whether both speak for the same tenant and the same principal."""
        return (self.scope_id, self.principal_id) == (other.scope_id, other.principal_id)

    def to_request_context(self) -> RequestContext:
        """The part that a client of a language model is told."""
        return msgspec.convert(self, RequestContext, from_attributes=True)

    def to_dict(self) -> dict[str, Any]:
        """What is set, as plain JSON data of its own, without the cancellation token.

        An amount of money becomes text, a tuple a list; TypeError for whatever else JSON cannot say.
        """
        data: dict[str, Any] = plain(self._with(cancellation=None), "")
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; a key that is left out is not set. ValueError for what does not fit.

        That includes a key that we do not know: what a newer version wrote may mean more than what would be
        read of it.
        """
        for key in data:
            if key not in cls.__struct_fields__ or key == "cancellation":
                raise ValueError(
                    f"the context has the key {key!r}, which {cls.__name__} does not know here; was it "
                    "written by a newer version? Read it with that one, or leave the key out"
                )
        return cls(**data)

    def _with(self, **changes: str | None) -> Self:
        """A copy with some fields changed, unchecked, which `msgspec.structs.replace` would not be."""
        changed: Self = self.__copy__()  # type: ignore[attr-defined]  # what `copy.copy` would find
        for name, value in changes.items():
            msgspec.structs.force_setattr(changed, name, value)
        return changed

    # Any type with a static `__from_call__` can be a tool's parameter.
    __from_call__: ClassVar[Callable[[Any], Any]] = staticmethod(lambda call: call.context)
