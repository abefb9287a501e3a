"""The store of circuits in memory keeps the contract, and the contract finds out who does not."""

import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from toolcase.runtime import CircuitRecord
from toolcase.testing import MemoryCircuits, check_circuit_store, current_clock


async def test_the_one_in_memory_keeps_its_promises():
    await check_circuit_store(MemoryCircuits(current_clock()))


async def test_it_has_a_clock_of_its_own_if_need_be():
    await check_circuit_store(MemoryCircuits())


class Invents(MemoryCircuits):
    async def load(self, key):
        return await super().load(key) or CircuitRecord(state="closed")


class SavesAnyVersion(MemoryCircuits):
    async def save(self, key, record, expected):
        found = await super().load(key)
        return await super().save(key, record, found.version if found else 0)


class NeverSaves(MemoryCircuits):
    async def save(self, key, record, expected):
        return False


class ForgetsCause(MemoryCircuits):
    async def save(self, key, record, expected):
        return await super().save(key, replace(record, cause=""), expected)


class StandsStill(MemoryCircuits):
    async def load(self, key):
        found = await super().load(key)
        return found and replace(found, remaining=self._records[key][0].remaining)


class GoesBelowNothing(MemoryCircuits):
    async def load(self, key):
        found = await super().load(key)
        return found and (replace(found, remaining=-1.0) if found.remaining == 0 else found)


class HasOneKey(MemoryCircuits):
    async def load(self, key):
        return await super().load("a")

    async def save(self, key, record, expected):
        return await super().save("a", record, expected)


class LooksBeforeItSaves(MemoryCircuits):
    async def save(self, key, record, expected):
        found = await self.load(key)
        if (found.version if found else 0) != expected:
            return False
        self._records[key] = replace(record, version=expected + 1), self._clock.monotonic()
        return True

    async def load(self, key):
        found = self._records.get(key)
        await checkpoint()
        return found and replace(
            found[0], remaining=max(0.0, found[0].remaining - (self._clock.monotonic() - found[1]))
        )


@pytest.mark.parametrize(
    ("store", "promise"),
    [
        (Invents, "None for a key that was never saved"),
        (SavesAnyVersion, "refuses an expected version"),
        (NeverSaves, "takes 0 for a key"),
        (ForgetsCause, "load gives what was saved"),
        (StandsStill, "goes down by the store's clock"),
        (GoesBelowNothing, "remaining stops at 0"),
        (HasOneKey, "keys are apart"),
        (LooksBeforeItSaves, "of several saves at once one wins"),
    ],
)
async def test_one_that_does_not_is_told_which(store, promise):
    with pytest.raises(AssertionError, match=promise):
        await check_circuit_store(store(current_clock()))
