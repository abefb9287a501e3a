"""One gibibyte, chunk by chunk, through eight middleware: all of it arrives, and next to nothing is kept."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import AsyncIterator

import msgspec

from drills.burst import peak
from toolcase import Registry, tool
from toolcase.runtime import MetricsMiddleware, production

CHUNK_BYTES = 64 * 1024
MEBIBYTE = 1024 * 1024
MOST_GROWTH = 32 * MEBIBYTE
MIDDLEWARE = 8


class Flood(msgspec.Struct, kw_only=True):
    """What came of one stream."""

    backend: str
    bytes: int
    seconds: float
    chunks: int
    around: str
    """What it went through, as `print(registry)` says it."""
    sent: str
    """The SHA-256 of what the tool gave."""
    received: str
    """That of what the reader got."""
    growth: int
    """How many bytes the process had in use more than before, at most."""

    def faults(self) -> list[str]:
        """What is not as it must be; nothing if all of it is."""
        found = []
        if self.received != self.sent:
            found.append(f"what arrived has the digest {self.received}, what was sent {self.sent}")
        if self.growth >= MOST_GROWTH:
            found.append(f"memory grew by {self.growth:,} bytes, more than {MOST_GROWTH:,}")
        if self.chunks * CHUNK_BYTES != self.bytes:
            found.append(f"{self.chunks:,} chunks arrived, expected {self.bytes // CHUNK_BYTES:,}")
        return found

    def __str__(self) -> str:
        rate = self.bytes / MEBIBYTE / self.seconds
        return (
            f"{self.backend}: {self.bytes // MEBIBYTE:,} MiB in {self.chunks:,} chunks, {self.seconds:.1f} s "
            f"({rate:,.0f} MiB/s), memory grew by {self.growth / MEBIBYTE:.1f} MiB at most\n"
            f"  {self.around}\n  sha256 {self.received}"
        )


async def flood(backend: str, mebibytes: int) -> Flood:
    """Read one stream of so many MiB to its end."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    block = random.Random(0).randbytes(CHUNK_BYTES - 8)
    wanted = mebibytes * MEBIBYTE // CHUNK_BYTES

    @tool
    async def pour() -> AsyncIterator[bytes]:
        for number in range(wanted):
            chunk = number.to_bytes(8) + block
            sent.update(chunk)
            yield chunk

    registry = Registry()
    registry.add(pour)
    registry.use(*production(metrics=MetricsMiddleware(), total_seconds=3600, attempt_seconds=3600))
    around = registry.around("pour")
    assert sum(map(len, around.values())) >= MIDDLEWARE
    chunks, before, began = 0, peak(), time.perf_counter()
    async with registry, registry.stream("pour") as stream:
        async for chunk in stream:
            received.update(chunk.content)
            chunks += 1
    return Flood(
        backend=backend,
        bytes=mebibytes * MEBIBYTE,
        seconds=time.perf_counter() - began,
        chunks=chunks,
        around=str(registry),
        sent=sent.hexdigest(),
        received=received.hexdigest(),
        growth=peak() - before,
    )
