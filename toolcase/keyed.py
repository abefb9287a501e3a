"""State by key in a bounded table, the usual keys, and whose loop it is, for middleware that keeps state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

from toolcase.call import Call
from toolcase.clock import count, current_loop, turns

T = TypeVar("T")

Key = Callable[[Call], Hashable]
"""From a call to what it shares its state with: calls of an equal key share it."""

MOST_KEYS = 10_000


def by_tool(call: Call) -> Hashable:
    """Calls of one tool share, whoever makes them."""
    return call.name


def by_scope(call: Call) -> Hashable:
    """Calls in the name of one scope (tenant) share, whatever the tool; those of no scope are one more."""
    return call.context.scope_id


def by_principal(call: Call) -> Hashable:
    """Calls of one principal in one scope share, whatever the tool; those of nobody are one more."""
    context = call.context
    return context.scope_id, context.principal_id


def together(call: Call) -> Hashable:
    """All calls share."""
    return None


class OneLoop:
    """The event loop that some state belongs to: one at a time."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: Any = None

    def changed(self, call: Call, *, waiting: Callable[[], bool], whose: object) -> bool:
        """Whether this call runs in another loop than the one before it: what waited there has gone.

        RuntimeError, which says `whose` state it is, if something is `waiting` in a loop that still runs.
        """
        loop = call.host.loop or current_loop()
        if loop is self._loop:
            return False
        if self._loop is not None and waiting() and turns(self._loop):
            raise RuntimeError(
                f"{whose} is in use on another event loop that still runs; make one for each loop"
            )
        self._loop = loop
        return True


class Keyed(Generic[T]):
    """At most `most` states, each made when its key is first asked for.

    When it is full, the one that was asked for least recently among the idle ones is dropped, and is made
    anew when it is asked for again. One that is not idle is never dropped. Not safe among threads: whoever
    shares it between some holds a lock.
    """

    __slots__ = ("_idle", "_make", "_most", "_states")

    def __init__(self, make: Callable[[], T], *, idle: Callable[[T], bool], most: int = MOST_KEYS) -> None:
        """`idle` says whether a state is as `make` gives it, or near enough to be forgotten."""
        self._make, self._idle = make, idle
        self._most = count(most, "most")
        self._states: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """The state of this key, made now if need be; None where there is no room for a further one."""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
            return state
        if len(self._states) >= self._most and not self._drop_one():
            return None
        state = self._states[key] = self._make()
        return state

    def find(self, key: Hashable) -> T | None:
        """The state of this key, if there is one; looking makes none, and keeps none from being dropped."""
        return self._states.get(key)

    def drop(self, key: Hashable) -> None:
        """Forget it, if it is there."""
        self._states.pop(key, None)

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[tuple[Hashable, T]]:
        """Keys and states as they are now, least recently asked for first."""
        return iter(list(self._states.items()))

    def _drop_one(self) -> bool:
        for key, state in self._states.items():
            if self._idle(state):
                del self._states[key]
                return True
        return False
