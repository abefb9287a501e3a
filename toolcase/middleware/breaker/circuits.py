"""All circuits of one breaker: by key, among threads, with changes told in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable

from toolcase.errors import Overloaded
from toolcase.events import CircuitChanged
from toolcase.keyed import Keyed
from toolcase.middleware.breaker.circuit import Circuit, CircuitRules, CircuitState

Listener = Callable[[CircuitChanged], None]


class Circuits:
    """Circuits by key. `lock` guards them, their table and the queue of changes.

    It is held over no `await`, and over nothing that could come back here.
    """

    __slots__ = ("_changes", "_listener", "_most", "_table", "_telling", "find", "lock")

    def __init__(self, rules: CircuitRules, most: int, listener: Listener | None) -> None:
        self.lock = threading.Lock()
        # An open one that was dropped would be a closed one.
        self._table = Keyed(
            lambda: Circuit(rules), idle=lambda circuit: circuit.state is CircuitState.CLOSED, most=most
        )
        self.find = self._table.find
        """The circuit of this key, if there is one; needs no lock, being one look-up in a dict."""
        self._most = most
        self._listener = listener
        self._changes: deque[CircuitChanged] = deque()
        self._telling = False

    def get(self, key: Hashable) -> Circuit | None:
        """The circuit of this key, made now if need be; None without room. Call it with the lock."""
        return self._table.get(key)

    def full(self, key: Hashable) -> Overloaded:
        """Why there is no room for it."""
        return Overloaded(
            f"{tool_of(key)!r} cannot be called: a circuit would have to be kept for it, and none of the "
            f"max_keys={self._most} that are kept is closed; raise max_keys, or give a key with fewer values"
        )

    def changed(
        self, key: Hashable, circuit: Circuit, before: CircuitState | None, error: BaseException | None = None
    ) -> CircuitChanged | None:
        """Note that it was in another state before, if it was; call it with the lock, and `tell` after it.

        None where it was in no other, or was dropped from the table: then it is nobody's any more.
        """
        if self.find(key) is not circuit:
            return None
        self._table.get(key)  # it was used, and is among the last to be dropped
        if before is None:
            return None
        change = CircuitChanged(
            tool=tool_of(key), key=key, before=before.value, after=circuit.state.value, error=error
        )
        if self._listener is not None:
            self._changes.append(change)
        return change

    def tell(self, failed: Callable[[Exception], None]) -> None:
        """Tell the listener what it has not been told. Call it without the lock.

        One tells at a time, so that they are told in order. A change that comes meanwhile, perhaps from the
        listener itself, is told by the one that is telling.
        """
        while self._listener is not None:
            with self.lock:
                if self._telling or not self._changes:
                    return
                self._telling, change = True, self._changes.popleft()
            try:
                self._listener(change)
            except Exception as fault:  # noqa: BLE001  foreign code
                failed(fault)
            finally:
                with self.lock:
                    self._telling = False


def tool_of(key: Hashable) -> str:
    """The tool's name, with which every key begins."""
    return key if isinstance(key, str) else key[0]  # type: ignore[index]
