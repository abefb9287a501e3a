"""How far a tool is, on one line of the terminal."""

from __future__ import annotations

import shutil
import sys
from typing import Any, ClassVar

from toolcase.call import Call, Inner, Stage
from toolcase.events import Event, ProgressReported
from toolcase.plain import printable

BAR_WIDTH = 24
REDRAW_SECONDS = 0.1
CLEAR = "\r\x1b[K"


class ProgressLine:
    """Observes calls, and shows on stderr what the outermost tool says of its progress."""

    stage: ClassVar[Stage] = Stage.OBSERVE

    def __init__(self) -> None:
        self.hidden = False
        """Whether the line under the cursor is somebody else's."""
        self._shown = False
        self._next = 0.0

    async def __call__(self, call: Call, inner: Inner) -> Any:
        return await inner(call)

    def on_event(self, call: Call, event: Event) -> None:
        """Show it, but not more often than anybody can read."""
        if type(event) is not ProgressReported or call.parent is not None or self.hidden:
            return
        now = call.elapsed
        if now >= self._next or event.done == event.total:
            self._next = now + REDRAW_SECONDS
            self._draw(line_of(event, call.host.secrets.redact(event.message)))

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._shown:
            self._shown = False
            sys.stderr.write(CLEAR)
            sys.stderr.flush()

    def _draw(self, line: str) -> None:
        self._shown = True
        sys.stderr.write(CLEAR + line[: shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()


def line_of(said: ProgressReported, message: str) -> str:
    """A bar where the total is known, else a count; and the message, which cannot steer the terminal."""
    if said.total:
        part = min(said.done / said.total, 1.0)
        full = int(part * BAR_WIDTH)
        begin = f"[{'#' * full}{'-' * (BAR_WIDTH - full)}] {part:4.0%}"
    else:
        begin = f"{said.done:g}"
    return f"{begin}  {printable(message)}".rstrip()
