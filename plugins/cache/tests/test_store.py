"""The memory of this process: bounded by number and by size, and by time."""

import math

import anyio
import pytest

from toolcase import tool
from toolcase.testing import current_clock
from toolcase_cache import Kept, Key, MemoryCache


@tool
async def one() -> None: ...


@tool
async def two() -> None: ...


class Cache:
    """A memory that is asked in few words."""

    def __init__(self, **settings):
        self.memory = MemoryCache(**settings)

    async def put(self, digest, value=None, *, tool=one, ttl=math.inf):
        await self.memory.put(Key(tool, digest), value, ttl, current_clock())

    async def get(self, digest, *, tool=one):
        return await self.memory.get(Key(tool, digest), current_clock())

    async def has(self, digests):
        return "".join([digest for digest in digests if await self.get(digest) is not None])


async def test_gives_what_was_put_and_nothing_else():
    cache = Cache()
    await cache.put("a", None)

    assert (await cache.get("a"), await cache.get("b"), await cache.get("a", tool=two)) == (
        Kept(None),
        None,
        None,
    )


async def test_a_value_that_is_put_takes_the_place_of_the_one_before():
    cache = Cache()
    await cache.put("a", "x" * 1_000, ttl=1)
    await cache.put("a", "y", ttl=5)
    await anyio.sleep(2)

    assert await cache.get("a") == Kept("y")
    assert (len(cache.memory), cache.memory.bytes < 100) == (1, True)


async def test_a_value_whose_time_is_over_is_gone():
    cache = Cache()
    await cache.put("a", ttl=5)
    await anyio.sleep(5)

    assert (len(cache.memory), await cache.get("a"), len(cache.memory), cache.memory.bytes) == (1, None, 0, 0)
    assert cache.memory.evicted == 0


async def test_with_a_clock_that_went_back_nothing_is_as_old_as_it_seems():
    cache = Cache()
    await anyio.sleep(10)
    await cache.put("a", 1)

    class Another:
        def monotonic(self):
            return 9.0

    assert await cache.memory.get(Key(one, "a"), Another()) is None
    assert len(cache.memory) == 0


async def test_drops_what_was_used_least_recently_when_it_has_so_many():
    cache = Cache(max_entries=2)
    await cache.put("a")
    await cache.put("b")
    await cache.get("a")

    await cache.put("c")

    assert await cache.has("abc") == "ac"
    assert cache.memory.evicted == 1


async def test_drops_what_was_used_least_recently_when_it_takes_so_many_bytes():
    cache = Cache(max_bytes=10_000)

    for digest in "abc":
        await cache.put(digest, ["x" * 4_000])

    assert await cache.has("abc") == "bc"
    assert 8_000 < cache.memory.bytes <= 10_000


async def test_does_not_keep_what_alone_takes_more():
    cache = Cache(max_bytes=1_000)
    await cache.put("a", 1)
    await cache.put("b", {"text": ["x" * 1_000]})
    await cache.put("a", "x" * 1_000)

    assert (await cache.has("ab"), cache.memory.bytes) == ("", 0)


async def test_does_not_weigh_without_a_limit():
    cache = Cache(max_bytes=math.inf)
    await cache.put("a", "x" * 1_000_000)

    assert (await cache.has("a"), cache.memory.bytes) == ("a", 0)


async def test_weighs_what_is_held_twice_once_and_classes_not_at_all():
    class Answer:
        def __init__(self, text):
            self.text = text

    cache, text = Cache(max_bytes=6_000), "x" * 4_000
    await cache.put("a", [Answer(text), Answer(text), len, math])

    assert await cache.has("a") == "a"


@pytest.mark.parametrize(("tool", "left"), [(None, ""), ("one", "b"), ("three", "ab")])
async def test_forgets_the_values_of_one_tool_or_all(tool, left):
    cache = Cache()
    await cache.put("a", tool=one)
    await cache.put("b", tool=two)

    await cache.memory.clear(tool)

    found = [await cache.get("a", tool=one), await cache.get("b", tool=two)]
    assert "".join(name for name, kept in zip("ab", found, strict=True) if kept) == left
    assert (cache.memory.bytes > 0) == bool(left)
