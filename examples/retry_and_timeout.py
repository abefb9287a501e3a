"""A flaky tool and a slow one, with a retry around an attempt timeout, and real, short waits.

Run it with `python examples/retry_and_timeout.py`.
"""

from __future__ import annotations

import asyncio
import time

from toolcase import Registry
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware

registry = Registry()
registry.use(
    TimeoutMiddleware(2),  # all attempts and the waits between them
    RetryMiddleware(RetryPolicy(max_attempts=4, backoff=ExponentialBackoff(base=0.1, jitter=False))),
    TimeoutMiddleware(0.2),  # each attempt
)
weather = iter(["line dropped", "no answer", "sunny"])
began = time.monotonic()


@registry.tool(read_only=True)
async def forecast(city: str) -> str:
    """Ask a weather station whose line is bad: it drops, then says nothing, then works."""
    answer = next(weather)
    print(f"    after {time.monotonic() - began:.1f} s: {answer}")
    if answer == "line dropped":
        raise ConnectionError(answer)
    if answer == "no answer":
        await asyncio.sleep(60)
    return f"{answer} in {city}"


@registry.tool(idempotent=False)
async def sound_horn() -> str:
    """Sound the fog horn; who knows whether it did, when the line drops."""
    raise ConnectionError("line dropped")


async def main() -> None:
    print(registry)
    for name, arguments in [("forecast", {"city": "Bergen"}), ("sound_horn", {})]:
        print(f"{name}:")
        result = await registry.execute(name, arguments)
        print(f"  {result.for_model().partition(' (')[0]}")
        print(f"  attempts: {result.attempts}, in {result.duration:.1f} s")
        if result.error is not None and result.error.outcome_unknown:
            print("  not tried again: it may have had its effect, and is not idempotent")


if __name__ == "__main__":
    asyncio.run(main())
