"""The tokens of a model: tried again before the first one, redacted on their way, and handed to a sink.

Run it with `python examples/streaming.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from toolcase import HookContext, Registry, StreamChunk
from toolcase.runtime import ConstantBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware

FORBIDDEN = "swordfish"


class Redact:
    """Keep one word from getting out, wherever the chunks are cut."""

    def on_chunk(self, chunk: StreamChunk, ctx: HookContext) -> StreamChunk | None:
        if not isinstance(chunk.content, str):
            return chunk
        text = (ctx.get("held", "") + chunk.content).replace(FORBIDDEN, "***")
        sure = max(len(text) - len(FORBIDDEN) + 1, 0)  # what follows may be the beginning of it
        ctx["held"] = text[sure:]
        return StreamChunk(text[:sure], chunk.index) if sure else None

    def on_complete(self, accumulated: object, ctx: HookContext) -> list[str]:
        return [ctx["held"]]  # what was held back goes out last


registry = Registry()
registry.use(
    Redact(),
    RetryMiddleware(RetryPolicy(max_attempts=3, backoff=ConstantBackoff(seconds=0.1))),
    TimeoutMiddleware(10, first_chunk=0.5, idle=1),
)
lines = iter(["busy", "silent", "good"])


@registry.tool(read_only=True)
async def answer(prompt: str) -> AsyncIterator[str]:
    """Ask a model that is busy, then says nothing, then answers token by token."""
    line = next(lines)
    print(f"    the line is {line}")
    if line == "busy":
        raise ConnectionError("the model is busy")
    if line == "silent":
        await asyncio.sleep(60)
    for token in ("The ", "pass", "word ", "of ", "the ", "day ", "is ", "sword", "fish", "."):
        await asyncio.sleep(0.02)
        yield token


@registry.tool
async def count() -> AsyncIterator[str]:
    """Count for ever."""
    number = 0
    try:
        while True:
            number += 1
            yield f"{number} "
    finally:
        print("\n    the tool has ended")


async def send(chunk: StreamChunk) -> None:
    """Stands for the socket of a client: the tool waits while this does."""
    print(chunk, end="", flush=True)


async def main() -> None:
    print("answer:")
    result = await registry.stream("answer", prompt="What is the password?").stream_to(send)
    print(f"\n    ok: {result.ok}, attempts: {result.attempts}")

    print("count:")
    async with registry.stream("count") as stream:
        async for chunk in stream:
            print(chunk, end="")
            if chunk.index == 4:
                break


if __name__ == "__main__":
    asyncio.run(main())
