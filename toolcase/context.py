"""Who asks, and on whose behalf."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """Who asks, and how this call hangs together with others. Immutable; flows into child calls.

    A tool that declares a parameter of this type is given the context of its call, and the parameter
    is no part of its schema.
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
    trace_id: str | None = None
    """32 lower-case hex digits, as in W3C Trace Context."""
    span_id: str | None = None
    """16 lower-case hex digits."""
    parent_span_id: str | None = None
    idempotency_key: str | None = None
    """The same key for the same intended effect: a tool hands it on to what it calls."""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What else the host knows; a copy, which cannot be assigned to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        # A read-only mapping can be neither pickled nor copied.
        return _rebuilt, (type(self), {**values, "metadata": dict(self.metadata)})

    def child(self, *, new_span: bool = True) -> Self:
        """The context of something nested in this one: the same, save for its span."""
        if not new_span:
            return self
        return replace(
            self,
            trace_id=self.trace_id or os.urandom(16).hex(),
            span_id=os.urandom(8).hex(),
            parent_span_id=self.span_id,
        )

    def same_caller(self, other: ExecutionContext) -> bool:
        """Whether both speak for the same tenant and the same principal."""
        return (self.scope_id, self.principal_id) == (other.scope_id, other.principal_id)

    @staticmethod
    def __from_call__(call: Any) -> ExecutionContext:
        context: ExecutionContext = call.context
        return context


def _rebuilt(kind: type[ExecutionContext], values: dict[str, Any]) -> ExecutionContext:
    return kind(**values)
