"""Watches from outside whether the event loop turns, and says which tool blocks it if it does not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from toolcase.call import Call, Host
from toolcase.clock import current_loop, seconds
from toolcase.events import LoopStalled
from toolcase.threads import poster


class Watchdog:
    """A thread that asks the loop again and again whether it is there.

    One stall is reported once, when it has lasted `stall_seconds` (math.inf: nobody watches).
    """

    def __init__(self, host: Host, stall_seconds: float) -> None:
        self._host, self._seconds = host, seconds(stall_seconds, "stall_seconds")
        self._ended: threading.Event | None = None

    def start(self) -> None:
        """Watch the loop that runs here, until `stop`."""
        if self._seconds > threading.TIMEOUT_MAX:
            return
        self._ended = threading.Event()
        arguments = (self._ended, poster(current_loop()), threading.get_ident())
        threading.Thread(target=self._watch, args=arguments, name="toolcase-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        if self._ended is not None:
            self._ended.set()

    def _watch(self, ended: threading.Event, post: Callable[[Callable[[], None]], bool], thread: int) -> None:
        while not ended.wait(self._seconds / 2):
            turned = threading.Event()
            if not post(turned.set):
                return  # the loop has gone without anybody telling us
            if turned.wait(self._seconds) or ended.is_set():
                continue
            self._report(sys._current_frames().get(thread))  # noqa: SLF001  documented, for exactly this
            while not turned.wait(self._seconds):
                if ended.is_set():
                    return

    def _report(self, frame: FrameType | None) -> None:
        """Say which line runs, and the name of the innermost call on its stack."""
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
        call: Any = None
        while frame is not None and not isinstance(call, Call):
            call, frame = frame.f_locals.get("call"), frame.f_back
        tool = call.name if isinstance(call, Call) else ""
        self._host.report(LoopStalled(tool=tool, seconds=self._seconds, place=place))
