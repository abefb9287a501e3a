"""Two guards: a class that lets only some people destroy things, and a function that redacts results.

Run it with `python examples/a_guard.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from toolcase import Call, Denied, ExecutionContext, Inner, Registry


@dataclass(frozen=True, slots=True)
class OnlyFor:
    """Let nobody but these principals call destructive tools. It names no stage, so it is a guard."""

    principals: frozenset[str]

    async def __call__(self, call: Call, inner: Inner) -> Any:
        destructive = call.tool is not None and call.tool.destructive
        if destructive and call.context.principal_id not in self.principals:
            raise Denied(f"{call.name!r} destroys data; ask {' or '.join(sorted(self.principals))}")
        return await inner(call)


async def redact(call: Call, inner: Inner) -> Any:
    """Take a word out of text results, whoever asks."""
    value = await inner(call)
    return value.replace("hunter2", "[redacted]") if isinstance(value, str) else value


registry = Registry()
registry.use(OnlyFor(frozenset({"grace"})), redact)
notes = {"wifi": "the password is hunter2", "bins": "Tuesday"}


@registry.tool(read_only=True)
async def read(key: str) -> str:
    """Read a note."""
    return notes[key]


@registry.tool(destructive=True)
async def forget(key: str) -> str:
    """Throw a note away."""
    return f"{key!r} is gone; it said: {notes.pop(key)}"


async def main() -> None:
    for principal, name in [("ada", "read"), ("ada", "forget"), ("grace", "forget")]:
        context = ExecutionContext(principal_id=principal)
        result = await registry.execute(name, {"key": "wifi"}, context=context)
        print(f"{principal}, {name}: {result.for_model()}")


if __name__ == "__main__":
    asyncio.run(main())
