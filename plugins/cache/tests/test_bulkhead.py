"""A run and a bulkhead: neither waits for a permit of a call that waits for it."""

import anyio
import pytest

from asking import at_once
from toolcase import Registry
from toolcase.runtime import BulkheadMiddleware, together
from toolcase_cache import CoalesceMiddleware


def family(*used, takes=1.0):
    """A registry with a tool that calls itself, twice at a time, and how often it was started."""
    registry, starts = Registry(), []
    registry.use(*used)

    @registry.tool(read_only=True)
    async def fibonacci(n: int) -> int:
        starts.append(n)
        await anyio.sleep(takes)
        return n if n < 2 else sum(await at_once(lambda: registry.call("fibonacci", n=n - 1), 2))

    return registry, starts


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("outside", [True, False])
async def test_a_tool_that_calls_itself_comes_to_an_end(limit, outside):
    both = [CoalesceMiddleware(), BulkheadMiddleware(limit, queue=100)]
    registry, starts = family(*(reversed(both) if outside else both))

    assert await registry.call("fibonacci", n=4) == 8
    assert set(starts) == {4, 3, 2, 1}


async def test_a_call_lends_its_permit_to_the_run_that_it_joins():
    registry, starts = family(CoalesceMiddleware(), BulkheadMiddleware(1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: registry.call("fibonacci", n=3))
        await anyio.sleep(0.5)
        tasks.start_soon(lambda: registry.call("fibonacci", n=2))  # waits for the permit of the other

    assert starts == [3, 2, 1]


@pytest.mark.parametrize("takes", [0, 2])
@pytest.mark.parametrize("joined", ["near", "far"])
async def test_what_is_lent_reaches_what_waits_in_the_run_of_a_run(takes, joined):
    registry, done = Registry(), []
    registry.use(CoalesceMiddleware())
    registry.use(BulkheadMiddleware(1, key=together), only="[!nf]*")

    @registry.tool(read_only=True)
    async def inmost() -> None:
        await anyio.sleep(1)

    @registry.tool(read_only=True)
    async def near() -> None:
        await anyio.sleep(takes)
        await registry.call("inmost")

    @registry.tool(read_only=True)
    async def far() -> None:
        await registry.call("near")

    @registry.tool
    async def holds() -> None:
        await anyio.sleep(1)
        await registry.call(joined)
        done.append("holds")

    async with anyio.create_task_group() as tasks:
        for name in ("holds", "near", "far"):
            tasks.start_soon(registry.call, name)
            await anyio.sleep(0.25)

    assert done == ["holds"]
