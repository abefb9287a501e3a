"""Who asks, on whose behalf, and on which terms: how much a run may use, and which policy holds for it."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn, Self, TypeVar

import msgspec

from toolcase.cancellation import CancellationToken
from toolcase.events import UsageReported
from toolcase.schema import shown_value

N = TypeVar("N", int, float, Decimal)

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]

COST_DIGITS = 100
"""Of a sum of costs; no sum of money is rounded by that."""


class ReadOnly(dict[str, Any]):
    """A dict that nobody assigns to; unlike `MappingProxyType` it can be copied, pickled and sent as JSON."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this mapping is read-only; make another one: {**mapping, ...}")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # of a dict, which has none
        return 0  # what it holds may have none, and equal mappings must have the same

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields that are checked whoever makes it, and mappings in them that nobody assigns to."""

    def __post_init__(self) -> None:
        for each in _fields(type(self)):
            value = getattr(self, each.name)
            if value is each.default:
                continue
            try:
                fit = msgspec.convert(value, each.type)
            except msgspec.ValidationError as error:
                raise ValueError(f"{each.name} cannot be {shown_value(value)}: {error}") from None
            msgspec.structs.force_setattr(self, each.name, ReadOnly(fit) if isinstance(fit, dict) else fit)


_fields = functools.lru_cache(maxsize=64)(msgspec.structs.fields)  # it reads the annotations at every asking


class BudgetSpec(Record, frozen=True, kw_only=True):
    """The most that a run may use of each; None is no limit, and 0 is none at all.

    It only says so. What keeps a run to it is middleware, such as `BudgetMiddleware`, which reads it from
    the call's context.
    """

    max_tokens: Count | None = None
    """Input and output together."""
    max_cost: Decimal | None = None
    """In the host's currency. Given as int, float, text or Decimal; a float means what it prints."""
    max_tool_calls: Count | None = None
    max_turns: Count | None = None
    """Of a conversation."""
    max_runtime_seconds: Seconds | None = None
    """Above 0; `math.inf` becomes None."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_tokens: int | None = None,
            max_cost: Decimal | float | str | None = None,
            max_tool_calls: int | None = None,
            max_turns: int | None = None,
            max_runtime_seconds: float | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_cost is not None:
            _check_amount(self.max_cost, "max_cost", "; None is for no limit")
        if self.max_runtime_seconds == math.inf:
            msgspec.structs.force_setattr(self, "max_runtime_seconds", None)

    def within(self, other: BudgetSpec | None) -> BudgetSpec:
        """The same, with no limit above the other's: what a part may use of what the whole may."""
        if other is None:
            return self
        limits = {name: smaller(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__}
        return BudgetSpec(**limits)


class Usage(Record, frozen=True, kw_only=True):
    """What was used of each, all in all."""

    tokens: Count = 0
    """Input and output together."""
    cost: Decimal = Decimal(0)
    """In the host's currency; given as int, float, text or Decimal, and a float means what it prints."""
    turns: Count = 0
    """Of a conversation."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_amount(self.cost, "cost")

    def plus(self, more: Usage | UsageReported) -> Usage:
        """Both together."""
        # In a decimal context of our own: that of the tool may round to two digits.
        cost = DecimalContext(prec=COST_DIGITS, traps=[]).add(self.cost, more.cost)
        return Usage(tokens=self.tokens + more.tokens, cost=cost, turns=self.turns + more.turns)


def _check_amount(cost: Decimal, field: str, mend: str = "") -> None:
    if not cost.is_finite() or cost < 0:
        raise ValueError(f"{field} must be an amount of at least 0, got {cost}{mend}")


class PolicyRef(Record, frozen=True):
    """Which of the host's policies holds for a run, by name."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: str | None = None
    overrides: Mapping[str, Any] = ReadOnly()
    """What this run has otherwise; a copy, which cannot be assigned to."""


class RunVersions(Record, frozen=True, kw_only=True):
    """What a run was made with, so that it can be run again with the same."""

    runtime_version: str | None = None
    llm_client_version: str | None = None
    operator_version: str | None = None
    model_version: str | None = None
    schema_version: Count | None = None
    """Of what the host stores; at least 0."""


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


def smaller(one: N | None, other: N | None) -> N | None:
    """The smaller of two limits; None is no limit."""
    return min((limit for limit in (one, other) if limit is not None), default=None)


def plain(value: Any, path: str) -> Any:
    """The value as JSON data of its own, with what is set in records; TypeError for what JSON cannot say."""
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Record):
        # A Decimal only as a field, whose type says what the text means: in metadata it would remain text.
        return {
            name: str(field) if isinstance(field, Decimal) else plain(field, f"{path}.{name}".lstrip("."))
            for name in value.__struct_fields__
            if (field := getattr(value, name)) is not None and field != {}
        }
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}; in JSON every key is text")
        return {key: plain(item, f"{path}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{path} is {value!r}, which JSON cannot say; give it as text or as a number")
