"""A limit on how many calls run at once."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Hashable
from dataclasses import KW_ONLY, dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any, ClassVar, Self

from toolcase.bulkhead import KeyedPermits, Priority, run_within
from toolcase.call import Call, Inner, Stage
from toolcase.clock import count, seconds
from toolcase.keyed import MOST_KEYS, Key, by_tool


@dataclass(frozen=True, slots=True, eq=False)
class BulkheadMiddleware:
    """Let at most `limit` calls of one `key` run at once; the next `queue` wait, and more are `Overloaded`.

    `queue` is as large as `limit` unless given; 0 is for no waiting. After `queue_seconds` a wait ends with
    `ToolTimeout` of the kind "queue". `priority` gives from a call its place in the queue: the lowest number
    goes first, equals in the order of coming, and who has a high number may wait for ever. `math.inf` is no
    limit. While calls of `max_keys` keys run, those of a further one are `Overloaded` too.

    A call that holds a permit lends it to a call made inside it, to one at a time. A tool's own
    `@tool(max_concurrent=)` replaces the limit of the innermost bulkhead whose key is `by_tool`.

    It holds state: use it in the registries of one event loop.
    """

    limit: float
    _: KW_ONLY
    queue: int | None = None
    queue_seconds: float = math.inf
    priority: Priority | None = None
    key: Key = by_tool
    max_keys: int = MOST_KEYS
    stage: ClassVar[Stage] = Stage.ACT
    # Belongs to the event loop, and is shared with those that `with_max_concurrent` makes.
    _permits: KeyedPermits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limit: Any = self.limit
        if limit != math.inf:
            count(limit, "limit")
        if self.queue is not None:
            count(self.queue, "queue", least=0)
        seconds(self.queue_seconds, "queue_seconds")
        if self.priority is not None and not callable(self.priority):
            raise TypeError(f"priority must be a function from a call to a number, got {self.priority!r}")
        if not callable(self.key):
            raise TypeError(f"key must be a function of a call, such as by_tool, got {self.key!r}")
        for setting in ("key", "priority"):
            function = getattr(self, setting)
            if iscoroutinefunction(function):  # each answer would be a key of its own, and nothing a limit
                raise TypeError(f"{setting} must be a plain `def`, got {function!r}")
        object.__setattr__(self, "_permits", KeyedPermits(count(self.max_keys, "max_keys")))

    def __str__(self) -> str:
        return f"BulkheadMiddleware({self.limit} at once)"

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        limit: Any = self.limit  # an int, if it is one at all
        if limit == math.inf:
            return inner(call)
        permits = self._permits.of(call, self.key(call), limit, self.queue)
        return run_within(permits, call, inner, self, self.queue_seconds, self.priority)

    def running(self, key: Hashable) -> int:
        """How many permits of this key are out; with `by_tool` a key is a tool's name."""
        return self._permits.find(key).running

    def waiting(self, key: Hashable) -> int:
        """How many calls of this key wait."""
        return self._permits.find(key).waiting

    def with_max_concurrent(self, limit: int) -> Self | None:
        """Another one with the limit of a tool and the same permits; None if it does not count by tool.

        Called when the chain is compiled.
        """
        if self.key is not by_tool:
            return None
        other = replace(self, limit=limit)
        object.__setattr__(other, "_permits", self._permits)
        return other
