"""The demo's HTTP server on loopback: it tells of packages and takes notes, and fails as servers do."""

from __future__ import annotations

import json
import socket
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

HANG_SECONDS = 2.0
SLOW_SECONDS = 0.4


class Fault(Enum):
    """What goes wrong with one request."""

    BUSY = "503, come back in a second"
    CLOSED = "503, come back in an hour"
    HANG = "no answer, and in the end a reset"
    RESET = "a reset instead of an answer"
    SLOW = "an answer that takes its time"


class FaultyServer(ThreadingTCPServer):
    """Not http.server's own server, which asks the name service who 127.0.0.1 is."""

    daemon_threads = False  # so that closing waits for them

    def __init__(self, database: Path, faults: dict[str, list[Fault]]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.database = database
        self.faults = faults
        """By path, the faults that its next requests meet; each thread takes from it, which is atomic."""
        self.requests: Counter[str] = Counter()
        """How often each path was asked for."""
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def serving(database: Path, faults: dict[str, list[Fault]]) -> Iterator[FaultyServer]:
    """A running server; it and its threads have ended when the block ends."""
    server = FaultyServer(database, faults)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="demo-server")
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Request(BaseHTTPRequestHandler):
    server: FaultyServer

    def do_GET(self) -> None:
        if not self._spoiled():
            self._answer(200, self._rows("SELECT * FROM packages WHERE name = ?", self.path.split("/")[-1]))

    def do_POST(self) -> None:
        note = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._rows("INSERT INTO notes VALUES (?, ?)", note["package"], note["text"])
        if not self._spoiled():
            self._answer(200, {"kept": True})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing: the demo tells what its clients saw."""

    def _spoiled(self) -> bool:
        """Whether this request met a fault that leaves it without its answer."""
        self.server.requests[self.path] += 1
        faults = self.server.faults.get(self.path)
        fault = faults.pop(0) if faults else None
        if fault is Fault.BUSY or fault is Fault.CLOSED:
            self._answer(503, {}, retry_after=1 if fault is Fault.BUSY else 3600)
        elif fault is Fault.SLOW:
            self.server.closing.wait(SLOW_SECONDS)
        elif fault is not None:
            if fault is Fault.HANG:
                self.server.closing.wait(HANG_SECONDS)
            self._reset()
        return fault not in (None, Fault.SLOW)

    def _reset(self) -> None:
        """Close so that the other side gets a reset: a linger of 0 s, and no orderly end before it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def _answer(self, status: int, data: Any, *, retry_after: int | None = None) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def _rows(self, sql: str, *values: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.server.database)) as connection, connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]
