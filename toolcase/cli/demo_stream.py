"""The demo's chunks: a stream that breaks off and goes on where it was, and a reader that leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

from toolcase.chunk import StreamChunk
from toolcase.cli.demo_client import Client
from toolcase.cli.demo_server import Fault
from toolcase.cli.demo_watch import Watcher
from toolcase.registry import Registry

FOLLOWED = ("anyio", "click", "msgspec", "pluggy", "pydantic")
READ = 3
AHEAD = 4


def faults() -> dict[str, list[Fault]]:
    """What the server does wrong, by path: it resets in the middle of the stream."""
    return {"/follow/msgspec": [Fault.RESET]}


class Chunks:
    """Tools that give one thing after another."""

    def __init__(self, registry: Registry, database: Path, client: Client, watcher: Watcher) -> None:
        """Add the tools."""
        self.registry, self.database, self.client, self.watcher = registry, database, client, watcher
        self.made = 0
        """How many packages have been read from the file."""
        registry.tool(read_only=True, resume=self.follow_on)(self.follow_packages)
        registry.tool(read_only=True, buffer=AHEAD)(self.list_packages)

    async def follow_packages(self, names: list[str]) -> AsyncIterator[str]:
        """Give each package as the server tells of it."""
        for name in names:
            (package,) = await self.client.get(f"/follow/{name}")
            yield f"{package['name']} {package['version']}"

    async def follow_on(self, cursor: StreamChunk, names: list[str]) -> AsyncIterator[str]:
        """Go on after the chunk that was given last."""
        async for line in self.follow_packages(names[cursor.index + 1 :]):
            yield line

    def list_packages(self) -> Iterator[str]:
        """Give all packages of the file, in a thread."""
        with closing(sqlite3.connect(self.database)) as connection:
            for (name,) in connection.execute("SELECT name FROM packages ORDER BY name"):
                self.made += 1
                yield name

    async def play(self) -> None:
        """Read them."""
        title, say = self.watcher.title, self.watcher.say
        title("A stream that breaks off goes on where it was: each line comes once")
        async for chunk in self.registry.stream("follow_packages", names=list(FOLLOWED)):
            say(f"    {chunk}")

        title(f"A reader that has seen {READ} leaves: the tool, in its thread, has ended with the block")
        async with self.registry.stream("list_packages") as stream:
            async for chunk in stream:
                say(f"    {chunk}")
                if chunk.index + 1 == READ:
                    break
        say(f"    {READ} were read, {self.made} were made, and {self.registry.threads.busy} threads are busy")
