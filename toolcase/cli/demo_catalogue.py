"""The demo's tools over this machine's packages: their metadata, and a SQLite file filled from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from toolcase.schema import nearest

PACKAGES = 500
ROWS = 20


def fill(database: Path) -> int:
    """Make the file from the metadata of at most `PACKAGES` packages; how many there were."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE packages (name TEXT PRIMARY KEY, version TEXT, bytes INTEGER)")
        connection.execute("CREATE TABLE notes (package TEXT, text TEXT)")
        connection.executemany(
            "INSERT OR IGNORE INTO packages VALUES (?, ?, ?)",
            (
                (found.name, found.version, sum(file.size or 0 for file in found.files or ()))
                for found in islice(_installed(), PACKAGES)
            ),
        )
        (count,) = connection.execute("SELECT count(*) FROM packages").fetchone()
    return int(count)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Synchronous tools: each runs in a thread of the registry."""

    database: Path

    def find_package(self, name: str) -> dict[str, Any]:
        """Look up one installed package."""
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            hint = nearest(name, (installed.name for installed in _installed()))
            raise LookupError(f"{name!r} is not installed; {hint or 'nothing like it is'}") from None
        return {"name": found.name, "version": found.version, "requires": found.requires or []}

    def query_packages(self, sql: str) -> list[dict[str, Any]]:
        """Ask the tables packages(name, version, bytes) and notes(package, text); at most 20 rows."""
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql).fetchmany(ROWS)]

    def forget_notes(self) -> int:
        """Delete all notes; how many there were."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute("DELETE FROM notes").rowcount


def _installed() -> Iterator[metadata.Distribution]:
    """All packages, save for what a broken installation left without a name."""
    for found in metadata.distributions():
        if found.metadata and "Name" in found.metadata and "Version" in found.metadata:
            yield found
