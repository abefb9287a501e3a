"""A jar of sayings, and how to open one by its URL."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

SAYINGS = (
    "A clock that jumps is home before one that runs.",
    "Ask twice only where asking once did no harm.",
    "A guard who sleeps lets nobody in.",
    "Who says what was wrong has half of the mend.",
    "What is small is carried further.",
)
"""Those that come with this package."""


@dataclass(frozen=True, slots=True)
class Jar:
    """Sayings, of which one is drawn at a time."""

    sayings: tuple[str, ...]

    def draw(self, about: str = "") -> str:
        """Any saying with these words in it, in whatever case; LookupError if there is none."""
        found = [saying for saying in self.sayings if about.lower() in saying.lower()]
        if not found:
            raise LookupError(f"no saying has {about!r} in it; leave that out to draw any")
        return random.choice(found)


def open_jar(url: str) -> Jar:
    """Open `fortune:PATH`, a text file with one saying to a line.

    Without a path it is the jar of this package. OSError if the file cannot be read, ValueError if
    there is no saying in it.
    """
    path = url.partition(":")[2]
    if not path:
        return Jar(SAYINGS)
    lines = Path(path).read_text("utf-8").splitlines()
    sayings = tuple(line.strip() for line in lines if line.strip())
    if not sayings:
        raise ValueError(f"there is no saying in {path!r}; write one to a line")
    return Jar(sayings)
