"""Durations, the calendar, and settings that are numbers."""

import asyncio
import math
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType

import anyio
import pytest

from toolcase.clock import SystemClock, asyncio_task, count, current_loop, number, seconds
from toolcase.testing import current_clock


class TestSystemClock:
    """It reads the clock on which the loop's timers run."""

    async def test_reads_the_virtual_time_of_the_loop(self):
        before = SystemClock().monotonic()

        await anyio.sleep(100)

        assert SystemClock().monotonic() - before == pytest.approx(100)
        assert current_clock() is not None

    def test_reads_the_clock_of_the_process_without_a_loop(self):
        before = time.monotonic()

        assert before <= SystemClock().monotonic() <= time.monotonic()

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_reads_the_clock_of_the_process_in_a_thread(self, backend):
        before = time.monotonic()

        read = anyio.run(anyio.to_thread.run_sync, SystemClock().monotonic, backend=backend)

        assert before <= read <= time.monotonic()

    def test_a_trio_that_another_thread_is_about_to_import_is_not_asked(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))

        assert SystemClock().monotonic() <= time.monotonic()
        with pytest.raises(RuntimeError):
            current_loop()

    def test_the_calendar_is_in_utc(self):
        now = SystemClock().utcnow()

        assert now.tzinfo is UTC
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)


class TestTask:
    """Which asyncio task runs, if any."""

    @pytest.mark.backends("asyncio")
    async def test_is_the_running_one(self):
        assert asyncio_task() is asyncio.current_task()

    @pytest.mark.backends("trio")
    async def test_is_none_under_trio(self):
        assert asyncio_task() is None

    def test_is_none_without_a_loop(self):
        assert asyncio_task() is None


class TestSeconds:
    """0 < x <= inf."""

    @pytest.mark.parametrize("value", [1, 0.5, 5e-324, 1.7e308, math.inf])
    def test_takes_a_duration(self, value):
        assert seconds(value, "timeout") == value

    @pytest.mark.parametrize("value", [0, -1, -0.0, -math.inf, math.nan, 10**400])
    def test_refuses_what_no_clock_can_wait(self, value):
        with pytest.raises(
            ValueError, match=r"timeout must be above 0 seconds, got .*; use math.inf for no limit"
        ):
            seconds(value, "timeout")

    @pytest.mark.parametrize("value", [True, "5", None, Decimal(5), timedelta(seconds=5)])
    def test_refuses_what_is_no_number(self, value):
        with pytest.raises(TypeError, match=r"timeout must be a number of seconds, got "):
            seconds(value, "timeout")


class TestCount:
    """A whole number, from 1 unless told otherwise."""

    @pytest.mark.parametrize(("value", "least"), [(1, 1), (10**400, 1), (0, 0)])
    def test_takes_a_number(self, value, least):
        assert count(value, "size", least=least) == value

    @pytest.mark.parametrize(("value", "least"), [(0, 1), (-1, 0)])
    def test_refuses_too_small_a_number(self, value, least):
        with pytest.raises(ValueError, match=f"size must be at least {least}, got {value}"):
            count(value, "size", least=least)

    @pytest.mark.parametrize("value", [True, 1.0, "1", None])
    def test_refuses_what_is_no_whole_number(self, value):
        with pytest.raises(TypeError, match=f"size must be a whole number, got {value!r}"):
            count(value, "size")


class TestNumbers:
    """A setting that is a number."""

    @pytest.mark.parametrize("value", [2, 2.5, math.inf, 10**400])
    def test_takes_what_is_large_enough(self, value):
        assert number(value, "factor", least=2) == value

    @pytest.mark.parametrize("value", [1.9, -1, math.nan])
    def test_refuses_what_is_smaller_or_none(self, value):
        with pytest.raises(ValueError, match=f"factor must be at least 2, got {value}"):
            number(value, "factor", least=2)

    def test_takes_nothing_below_zero_unless_told_otherwise(self):
        assert number(0, "grace") == 0
        with pytest.raises(ValueError, match="grace must be at least 0, got -1"):
            number(-1, "grace")

    @pytest.mark.parametrize("value", [True, "2", None, Decimal(2)])
    def test_refuses_what_is_no_number(self, value):
        with pytest.raises(TypeError, match="factor must be a number, got "):
            number(value, "factor")
