"""Who waits for a call: the one in whose body it was made, or those that share its run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from toolcase.call import Call


class Waiters:
    """Who waits for a shared run. For one event loop."""

    __slots__ = ("calls", "watching")

    def __init__(self) -> None:
        self.calls: dict[Call, None] = {}
        """In the order in which they came."""
        self.watching: dict[Callable[[], None], None] = {}
        """Called when one has come."""

    def add(self, call: Call) -> None:
        """One more waits, until it is taken out of `calls`."""
        self.calls[call] = None
        for told in list(self.watching):
            told()


def waits_for(call: Call) -> Collection[Call]:
    """The calls that wait for this one."""
    waiters: Waiters | None = call.info._waiters
    if waiters is not None and waiters.calls:
        return waiters.calls
    return () if call.parent is None else (call.parent,)


@contextmanager
def told_who_comes(call: Call, told: Callable[[], None]) -> Iterator[None]:
    """Have `told` called whenever one more comes to wait for this call, for those around it included."""
    watched: dict[Waiters, None] = {}

    def again() -> None:
        watch()  # who came may stand in a shared run, too
        told()

    def watch() -> None:
        calls = {call: None}
        left = [call]
        for each in left:
            if each.info._waiters is not None:
                watched[each.info._waiters] = None
                each.info._waiters.watching[again] = None
            left += [other for other in waits_for(each) if other not in calls]
            calls.update(dict.fromkeys(left))

    watch()
    try:
        yield
    finally:
        for waiters in watched:
            del waiters.watching[again]
