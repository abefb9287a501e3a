"""Who asks, on whose behalf, and within which limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

import msgspec

from toolcase.cancellation import CancellationToken
from toolcase.records import known, plain_fields, read_only, text
from toolcase.terms import BudgetSpec, PolicyRef, RunVersions

_TEXTS = (
    "scope_id",
    "principal_id",
    "session_id",
    "run_id",
    "job_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "idempotency_key",
)
_TERMS: Mapping[str, type] = MappingProxyType(
    {"budgets": BudgetSpec, "policy_ref": PolicyRef, "versions": RunVersions}
)
_KINDS: Mapping[str, type] = MappingProxyType({**_TERMS, "cancellation": CancellationToken})
_OF_THIS_PROCESS = frozenset({"cancellation"})


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of a language model is told of the caller: who, in which run, under which span."""

    scope_id: str | None = None
    principal_id: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    job_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None


# Without slots, unlike other settings: each child call makes one, and its dict is copied in one step.
@dataclass(frozen=True, kw_only=True)
class ExecutionContext:
    """Who asks, within which limits, and how this call hangs together with others. Immutable.

    It flows into child calls. A tool that declares a parameter of this type is given the context of its
    call, and the parameter is no part of its schema.
    """

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
    idempotency_key: str | None = None
    """The same key for the same intended effect: a tool hands it on to what it calls."""
    budgets: BudgetSpec | None = None
    policy_ref: PolicyRef | None = None
    versions: RunVersions | None = None
    cancellation: CancellationToken | None = None
    """Of this process alone: not in `to_dict`."""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What else the host knows; a copy, which cannot be assigned to."""

    def __post_init__(self) -> None:
        values = self.__dict__
        for name in _TEXTS:
            if values[name] is not None:
                text(values[name], name)
        for name, kind in _KINDS.items():
            value = values[name]
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")
        object.__setattr__(self, "metadata", read_only(self.metadata, "metadata"))

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
        if not isinstance(job_id, str):
            raise TypeError(f"job_id must be text, got {job_id!r}")
        return self._with(job_id=job_id)

    def same_caller(self, other: ExecutionContext) -> bool:
        """Whether both speak for the same tenant and the same principal."""
        return (self.scope_id, self.principal_id) == (other.scope_id, other.principal_id)

    def to_request_context(self) -> RequestContext:
        """The part that a client of a language model is told."""
        return RequestContext(**{name: getattr(self, name) for name in RequestContext.__struct_fields__})

    def to_dict(self) -> dict[str, Any]:
        """What is set, as plain JSON data of its own, without the cancellation token.

        An amount of money becomes text, a tuple a list; TypeError for whatever else JSON cannot say.
        """
        try:
            return plain_fields(self, without=_OF_THIS_PROCESS)
        except RecursionError:
            raise ValueError(
                "metadata or overrides are nested too deeply for JSON, or hold themselves"
            ) from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; a key that is left out is not set.

        ValueError for a key that we do not know: what a newer version wrote may mean more than what would
        be read of it. TypeError or ValueError for a value that does not fit.
        """
        given = known(data, cls, "the context", without=_OF_THIS_PROCESS)
        for name, kind in _TERMS.items():
            if given.get(name) is not None:
                terms = known(given[name], kind, name)
                try:
                    given[name] = kind(**terms)
                except (TypeError, ValueError) as error:
                    raise type(error)(f"{name}: {error}") from None
        return cls(**given)

    def _with(self, **changes: str | None) -> Self:
        """A copy with some fields changed, unchecked; `dataclasses.replace` takes four times as long."""
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, **changes)
        return changed

    # Any type with a static `__from_call__` can be a tool's parameter.
    __from_call__: ClassVar[Callable[[Any], Any]] = staticmethod(lambda call: call.context)
