"""Foreign code runs in a child process with a limit of time: what it gave, or why it gave nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

ANSWER_BYTES = 4 * 1024 * 1024
"""The longest answer that is read."""
TAIL_BYTES = 16 * 1024
"""How much is kept of what a child says on stderr: the end of it."""
LINE_CHARACTERS = 200
"""How much of its last line is shown, where that is all that is known of its end."""

# Armed before anything else, so that what hangs is told of before its time is over.
_PROGRAM = (
    "import faulthandler, sys; faulthandler.dump_traceback_later(float(sys.argv.pop(1))); "
    "from toolcase.cli.child import main; main()"
)
_DUMPED_AFTER = 0.8
_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child gave, or in `fault` why it gave nothing."""

    data: Any = None
    fault: str = ""
    came_back: bool = True
    """False if it ended its process, or was ended when its time was over."""


async def ask(*words: str, seconds: float, env: Mapping[str, str] | None = None) -> Answer:
    """Let a child do one of the tasks of `toolcase.cli.child`, and end it, with all that it started.

    `env` is added to our own environment. The child's output is bounded, whatever it says.
    """
    command = [sys.executable, "-P", "-c", _PROGRAM, str(seconds * _DUMPED_AFTER), *words]
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, start_new_session=True
    ) as process:
        try:
            return await _answer(process, seconds)
        finally:
            _kill(process)


async def _answer(process: Process, seconds: float) -> Answer:
    stdout: Any = process.stdout
    stderr: Any = process.stderr
    tail, line = bytearray(), b""
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(seconds):
            told = anyio.Event()
            tasks.start_soon(_keep_the_end, stderr, tail, told)
            try:
                line = await BufferedByteReceiveStream(stdout).receive_until(b"\n", ANSWER_BYTES)
            except anyio.DelimiterNotFound:
                line = json.dumps({"fault": f"it answers with more than {ANSWER_BYTES} bytes"}).encode()
            except anyio.IncompleteRead:
                pass  # it ends, or has closed what it was given
            if not line:
                await process.wait()
                await told.wait()
        tasks.cancel_scope.cancel()
    if line:
        return Answer(**json.loads(line))
    said = tail.decode(errors="replace")
    if process.returncode is None:
        return Answer(came_back=False, fault=f"it has not loaded within {seconds:g} s{_place(said)}")
    last = "".join(said.strip().splitlines()[-1:])[-LINE_CHARACTERS:]
    return Answer(
        came_back=False,
        fault=f"it ends its process, with {_code(process.returncode)}{last and f': {last}'}",
    )


async def _keep_the_end(stream: ByteReceiveStream, tail: bytearray, told: anyio.Event) -> None:
    async for some in stream:
        tail += some
        del tail[:-TAIL_BYTES]
    told.set()


def _kill(process: Process) -> None:
    """It and its children, whether or not it has ended itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have gone
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _place(said: str) -> str:
    """Where its main thread hangs, as faulthandler tells: the line of the code that was being imported."""
    _, dumped, threads = said.rpartition("Timeout (")
    frames = [match.groups() for match in _FRAME.finditer(threads.rpartition("Thread 0x")[2])]
    foreign = list(takewhile(lambda frame: not frame[0].startswith(("<frozen", _OURS)), frames))
    if not dumped or not foreign:
        return ""
    file, line, function = foreign[-1]
    return f", at {file}, line {line} in {function}"


def _code(code: int) -> str:
    """An exit code, or the signal that ended it."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
