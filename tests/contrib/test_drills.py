"""The drills: ten thousand calls at once, in virtual time, and what the drill itself notices."""

import msgspec
import pytest
import structlog

from drills.burst import EVERY, Burst, burst, expected
from drills.command import shown
from drills.flood import Flood, flood

GOOD = Burst(
    backend="asyncio",
    calls=EVERY,
    seconds=1.0,
    started=EVERY,
    most_at_once=EVERY,
    outcomes=expected(EVERY),
    logged=expected(EVERY),
    measured=expected(EVERY),
    left={"tasks": 0},
    memory_bytes=2**20,
)


@pytest.fixture
def _log_as_before():
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_log_as_before")
async def test_ten_thousand_calls_at_once_are_counted_once_and_leave_nothing(backend):
    result = await burst(backend, 10_000)

    assert result.faults() == []
    assert result.most_at_once == 10_000
    assert result.outcomes == {"TIMEOUT": 500, "TOOL_FAILED": 1_000, "cancelled": 500, "ok": 8_000}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"left": {"tasks": 2}}, "2 tasks left over"),
        ({"outcomes": {}, "logged": {}, "measured": {}}, "outcomes {}, expected {'TIMEOUT': 1"),
        ({"logged": {"ok": 3}}, "the log has {'ok': 3}, the callers saw"),
        ({"measured": {"ok": 3}}, "the metrics have {'ok': 3}, the callers saw"),
    ],
)
def test_the_drill_notices(change, said):
    (fault,) = msgspec.structs.replace(GOOD, **change).faults()

    assert fault.startswith(said)


def test_a_reader_sees_outcomes_and_memory():
    text = shown(GOOD)

    assert "1 TIMEOUT, 2 TOOL_FAILED, 1 cancelled, 16 ok" in text
    assert "1 MiB at most" in text


@pytest.mark.real_time
@pytest.mark.usefixtures("_log_as_before")
async def test_a_flood_arrives_whole_and_leaves_next_to_nothing_in_memory(backend):
    result = await flood(backend, 64)

    assert result.faults() == []
    assert result.chunks == 1024
    assert str(result).startswith(f"{backend}: 64 MiB in 1,024 chunks")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"received": "other"}, "the digest other, what was sent same"),
        ({"growth": 32 * 2**20}, "memory grew by 33,554,432 bytes"),
        ({"chunks": 15}, "15 chunks arrived, expected 16"),
    ],
)
def test_a_flood_says_what_is_wrong(change, said):
    good = Flood(
        backend="asyncio",
        bytes=2**20,
        seconds=1.0,
        chunks=16,
        around="",
        sent="same",
        received="same",
        growth=0,
    )

    assert good.faults() == []
    (fault,) = msgspec.structs.replace(good, **change).faults()
    assert said in fault
