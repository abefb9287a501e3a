"""Calling off a run from anywhere: a token that its tools can look at, wait for and stop at."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import anyio

from toolcase.clock import current_loop
from toolcase.threads import poster

T = TypeVar("T")

CALLED_OFF = "the run was cancelled"


class RunCancelled(BaseException):
    """The run was called off through its token; the message is the reason that was given.

    No `Exception`: a cancellation is no failure, so it is not tried again, not counted as a fault and never
    made a result of. It reaches whoever called the tool, as the end of a task does.
    """


class CancellationToken:
    """Says to all who hold it that a run is to end. It says so once, and for good.

    Cooperative: it interrupts nobody who did not ask for it. A registry does, for each call that is made with
    a context which has one. Every method may be used from any thread; none but `wait` and `interrupt` need an
    event loop, and none waits for a lock, so a signal handler may cancel too.
    """

    __slots__ = ("__weakref__", "_callbacks", "_parent", "_said")

    def __init__(self) -> None:
        # No lock, because a child may be collected, and forgotten here, in the middle of anything that we do.
        # Each step is one operation of a dict, which no other thread can see half done.
        self._said: dict[str, str] = {}
        self._callbacks: dict[object, Callable[[], object]] = {}
        self._parent: CancellationToken | None = None

    def cancel(self, reason: str = "") -> None:
        """Call it off, and tell everybody who asked to be told; the first reason given stays."""
        self._said.setdefault("reason", reason)
        for key in list(self._callbacks):
            self._tell(key)

    @property
    def is_cancelled(self) -> bool:
        """Whether it, or what it is a child of, was cancelled."""
        return bool(self._said)

    @property
    def reason(self) -> str:
        """Why, in the words of whoever cancelled it; empty where nobody has, or said nothing."""
        return self._said.get("reason", "")

    def raise_if_cancelled(self) -> None:
        """RunCancelled with the reason, once it is cancelled. For tools, where they can stop."""
        if self._said:
            raise RunCancelled(self.reason or CALLED_OFF)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have the callback called once when it is cancelled; gives what takes it off again.

        It is called in the thread that cancels, or here and at once if that has happened. It must not wait;
        one that raises is logged.
        """
        key = object()
        # First noted, then asked: whoever cancels in between finds it, and each is taken out but once.
        self._callbacks[key] = callback
        if self._said:
            self._tell(key)

        def remove() -> None:
            self._callbacks.pop(key, None)

        return remove

    def child(self) -> CancellationToken:
        """A token that is cancelled with this one, and can be by itself without it."""
        child, said = CancellationToken(), self._said
        child._parent = self  # or a grandparent could not reach it once nobody else holds this one
        # Weak the other way, so that a long-lived token does not keep all the short runs that it began.
        found = weakref.ref(child)

        def cancel() -> None:
            living = found()
            if living is not None:
                living.cancel(said["reason"])

        weakref.finalize(child, self.on_cancel(cancel)).atexit = False
        return child

    async def wait(self) -> None:
        """Wait until it is cancelled, by whichever thread."""
        called, post = anyio.Event(), poster(current_loop())
        remove = self.on_cancel(lambda: post(called.set))
        try:
            await called.wait()
        finally:
            remove()

    async def interrupt(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run it to its end, or cancel it with the token: RunCancelled then, once it has stopped."""
        self.raise_if_cancelled()
        post = poster(current_loop())
        with anyio.CancelScope() as scope:
            remove = self.on_cancel(lambda: post(scope.cancel))
            try:
                return await work()
            finally:
                remove()
        raise RunCancelled(self.reason or CALLED_OFF)

    def _tell(self, key: object) -> None:
        callback = self._callbacks.pop(key, None)
        if callback is None:  # taken off, or called by another thread
            return
        try:
            callback()
        except Exception:
            logging.getLogger("toolcase").exception("what was to be told of a cancellation failed")

    def __repr__(self) -> str:
        return f"<CancellationToken: {f'cancelled, {self.reason!r}' if self._said else 'not cancelled'}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> CancellationToken:
        return self  # a copy could not be cancelled by whoever holds this one

    def __reduce__(self) -> NoReturn:
        raise TypeError("a CancellationToken is of this process alone; leave it out of what you send")
