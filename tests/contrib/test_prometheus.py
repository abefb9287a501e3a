"""The recipe for Prometheus serves a page over HTTP, with the figures of real calls."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page() -> Iterator[str]:
    """What Prometheus would read after ten calls."""
    command = [sys.executable, str(ROOT / "contrib" / "prometheus"), "--port", "0", "--calls", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(server.stdout.readline().strip(), timeout=30) as answer:
                yield answer.read().decode()
        finally:
            server.kill()


def test_shows_durations_by_tool_and_error(page: str) -> None:
    counts = {
        "ZeroDivisionError" in labels: float(value)
        for labels, value in re.findall(r"gen_ai_execute_tool_duration_seconds_count\{(.*)\} (.*)", page)
        if 'gen_ai_tool_name="divide"' in labels
    }

    assert counts == {True: 2.0, False: 8.0}
    assert 'le="81.92"' in page


def test_counts_attempts(page: str) -> None:
    (value,) = re.findall(r'toolcase_attempts_total\{.*gen_ai_tool_name="divide".*\} (.*)', page)

    assert float(value) == 10
