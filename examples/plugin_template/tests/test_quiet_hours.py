"""The guard, in virtual time: its clock begins at midnight, and jumps."""

import anyio
import pytest
from toolcase import Registry
from toolcase.testing import Give, Script, current_clock

from toolcase_fortune.quiet_hours import QuietHours


def guarded(begin: int, end: int) -> Registry:
    registry = Registry(clock=current_clock())
    registry.add(Script(Give("done")).tool("work"))
    registry.use(QuietHours(begin, end))
    return registry


@pytest.mark.parametrize(("begin", "end", "hours"), [(22, 6, 6), (0, 1, 1), (23, 22, 22)])
async def test_lets_calls_pass_from_the_end_of_the_quiet_hours(begin: int, end: int, hours: int) -> None:
    registry = guarded(begin, end)

    await anyio.sleep(hours * 3600 - 1)
    early = await registry.execute("work")
    await anyio.sleep(1)
    late = await registry.execute("work")

    assert f"no calls of 'work' before {end:02}:00 UTC; ask again then" in early.for_model()
    assert late.value == "done"


async def test_refuses_calls_from_the_beginning_of_the_quiet_hours() -> None:
    registry = guarded(begin=1, end=2)

    early = await registry.execute("work")
    await anyio.sleep(3600)
    late = await registry.execute("work")

    assert (early.ok, late.ok) == (True, False)


@pytest.mark.parametrize(("begin", "end"), [(6, 6), (-1, 6), (22, 24)])
def test_refuses_hours_that_are_none(begin: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 23, got {begin} and {end}"):
        QuietHours(begin, end)
