"""Permits to run at once: so many and no more, a bounded queue for those who wait, and none ever lost.

free ── take ──> out ── give_back ──> free, or straight to who is next in the queue
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import anyio
import msgspec

from toolcase.call import Call, CallInfo
from toolcase.timer import limited
from toolcase.waiting import told_who_comes, waits_for


class Permit(msgspec.Struct, eq=False):
    """Leave for one call to run, until it is given back."""

    call: Call
    lender: Permit | None = None
    """The permit that this one is lent from: that of a call in which this one stands."""
    borrower: Permit | None = None
    """The permit that this one is lent to."""


class _Waiter(msgspec.Struct, eq=False):
    call: Call
    priority: int
    turn: anyio.Event
    permit: Permit | None = None
    """Its permit, from the moment at which it was handed over: before the waiter knows."""


class Permits:
    """At most `limit` permits out at once, and at most `queue` calls that wait for one.

    The lowest priority goes first, and among equals who came first. A permit that is given back goes straight
    to who is next, so that nobody gets in between: while anybody waits, no permit is free.

    A call that holds a permit lends it to a call that is made inside it, or to the shared run that such a one
    has joined, to one at a time: else the two could wait for each other for ever. What runs, and waits for no
    call inside it, is never above `limit`. A stream is the exception: it runs beside the call that reads it,
    and waits for it, too. So where no permit is free, what a stream was lent is lent once more, to what its
    reader calls meanwhile, a further stream perhaps: else that would wait for a reader who waits for it.

    Without a lock: it belongs to one event loop, and nothing here awaits between a look and what rests on it.
    """

    __slots__ = ("_held", "_lines", "limit", "queue", "running", "waiting")

    def __init__(self, limit: int = 0, queue: int = 0) -> None:
        self.limit, self.queue = limit, queue
        self.running = 0
        """How many permits are out; one that is lent counts once."""
        self.waiting = 0
        """How many calls wait for one."""
        # The permit of each call that has one, for calls inside it to find.
        self._held: dict[CallInfo, Permit] = {}
        # Who waits, by priority, in the order of coming.
        self._lines: dict[int, OrderedDict[_Waiter, None]] = {}

    def resize(self, limit: int, queue: int | None) -> None:
        """Have another limit from now on; permits above it stay out until they are given back.

        Without a `queue` of its own it is as large as the limit.
        """
        self.limit, self.queue = limit, limit if queue is None else queue
        while self.waiting and self.running < limit:
            self.running += 1
            self._hand_over()

    def take(self, call: Call) -> Permit | None:
        """A permit, if there is one at once: lent by the call around, or a free one."""
        lender = next((permit for permit in self._around(call) if permit.borrower is None), None)
        if lender is None and self.running < self.limit:
            self.running += 1
            return self._give(call)
        lender = lender or self._lender(call)
        return None if lender is None else self._give(call, lender)

    async def wait(self, call: Call, priority: int = 0, seconds: float = math.inf) -> Permit:
        """A permit, when it is this call's turn, where `take` has just given none.

        ToolTimeout of the kind "queue" after `seconds`.
        """
        waiter = _Waiter(call, priority, anyio.Event())
        self._lines.setdefault(priority, OrderedDict())[waiter] = None
        self.waiting += 1
        try:
            with told_who_comes(call, partial(self._lend, waiter)):
                await limited(lambda _: waiter.turn.wait(), call, seconds, "queue")
        except BaseException:
            if waiter.permit is None:
                self._leave(waiter)
            else:  # cancelled in the tick in which its turn came: the next one must not miss it
                self.give_back(waiter.permit)
            raise
        assert waiter.permit is not None  # noqa: S101
        return waiter.permit

    def give_back(self, permit: Permit) -> None:
        """Let who is next have it; once for each permit."""
        info, lender, borrower = permit.call.info, permit.lender, permit.borrower
        if self._held.get(info) is permit:
            del self._held[info]
        if borrower is not None:  # a call inside that outlives us goes on, with what was ours
            borrower.lender = lender
            if lender is not None:
                lender.borrower = borrower
        elif lender is not None:
            lender.borrower = None
            self._hand_over(lender)
        elif self.waiting and self.running <= self.limit:
            self._hand_over()
        else:
            self.running -= 1

    def _around(self, call: Call) -> Iterator[Permit]:
        """The permits of the nearest calls that wait for this one and have one, on each way outwards."""
        left = [call] if self._held else []
        for each in left:
            for outer in waits_for(each):
                permit = self._held.get(outer.info)
                if permit is not None:
                    yield permit
                elif outer not in left:
                    left.append(outer)

    def _lenders(self, call: Call) -> Iterator[Permit]:
        """Those that could lend theirs to this call, perhaps not now."""
        for permit in self._around(call):
            yield permit
            inside = permit.borrower
            while inside is not None and inside.call.emit is not None:
                yield inside
                inside = inside.borrower

    def _lender(self, call: Call) -> Permit | None:
        return next((permit for permit in self._lenders(call) if permit.borrower is None), None)

    def _lend(self, waiter: _Waiter) -> None:
        """Somebody has come to wait for the run in which this one waits, perhaps with a permit to lend."""
        lender = self._lender(waiter.call)
        if lender is not None and waiter.permit is None:
            self._admit(waiter, lender)

    def _admit(self, waiter: _Waiter, lender: Permit | None) -> None:
        self._leave(waiter)
        waiter.permit = self._give(waiter.call, lender)
        waiter.turn.set()
        if lender is not None and waiter.call.emit is not None:
            self._hand_over(waiter.permit)  # its reader may be waiting for another call meanwhile

    def _give(self, call: Call, lender: Permit | None = None) -> Permit:
        permit = Permit(call, lender)
        self._held.setdefault(call.info, permit)
        if lender is not None:
            lender.borrower = permit
        return permit

    def _hand_over(self, lender: Permit | None = None) -> None:
        """Give a permit to whose turn it is, with a lender among those it can lend to, if there are any."""
        for priority in sorted(self._lines):
            for waiter in self._lines[priority]:
                if lender is None or lender in self._lenders(waiter.call):
                    self._admit(waiter, lender)
                    return

    def _leave(self, waiter: _Waiter) -> None:
        line = self._lines[waiter.priority]
        del line[waiter]
        if not line:
            del self._lines[waiter.priority]
        self.waiting -= 1
