"""The event loop of blocking verbs: the one in which their registry is in use, or one made for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from toolcase.clock import current_loop


@dataclass(eq=False)
class Portal:
    """A loop in a thread of its own, for all threads that need one at the same time.

    The first makes it and the last ends it: a registry belongs to one loop at a time.
    """

    in_use: Callable[[], Any]
    settle: Callable[[Any], None]
    enter: Callable[[], AbstractAsyncContextManager[Any]]
    # The lock guards all that follows. It is not held while a loop ends: that may wait for a thread which is
    # about to ask for it.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _users: int = field(default=0, init=False)
    _entered: bool = field(default=False, init=False)
    _loop: Any = field(default=None, init=False)
    _portal: BlockingPortal | None = field(default=None, init=False)
    _ends: ExitStack = field(default_factory=ExitStack, init=False)

    @contextmanager
    def open(self, backend: str, *, otherwise: Any = None) -> Iterator[Any]:
        """The loop in which the registry is in use, or `otherwise`, or one that lasts while this is open."""
        with self._lock:
            loop = self._loop if self._users else self.in_use() or otherwise
            if loop is None:
                loop = self._start(backend)
            ours = loop is self._loop
            self._users += ours
        try:
            yield loop
        finally:
            if ours:
                self._close()

    @contextmanager
    def entered(self, backend: str) -> Iterator[None]:
        """As `open`; where the loop is ours, the registry is entered there, unless another thread has."""
        with self.open(backend) as loop, ExitStack() as stack:
            with self._lock:
                portal = self._portal if loop is self._loop and not self._entered else None
                self._entered = self._entered or portal is not None
            if portal is not None:
                stack.callback(setattr, self, "_entered", False)
                stack.enter_context(portal.wrap_async_context_manager(self.enter()))
            yield

    def _start(self, backend: str) -> Any:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(backend))
            loop = self._portal.call(current_loop)
            self.settle(loop)
            self._loop, self._ends = loop, stack.pop_all()
        return loop

    def _close(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            self.settle(None)
            ends, self._loop, self._portal = self._ends, None, None
        ends.close()
