"""The recipe for server-sent events serves tools over a socket, chunk by chunk, and ends them in time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
TRIES = 2_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where it serves."""
    command = [sys.executable, str(ROOT / "contrib" / "sse" / "tool_events.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@pytest.fixture
def client(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Name and data of each event."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields["event"], json.loads(fields["data"])
            fields = {}


def said(client: httpx2.Client, tool: str, **arguments: Any) -> list[tuple[str, Any]]:
    with client.stream("POST", f"/tools/{tool}", json=arguments) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        return list(events(answer.iter_lines()))


def test_each_chunk_is_an_event_and_then_there_is_one_end(client: httpx2.Client) -> None:
    *chunks, (last, facts) = said(client, "count", until=3, seconds=0)

    assert chunks == [("chunk", 0), ("chunk", 1), ("chunk", 2)]
    assert last == "end"
    assert facts["attempts"] == 1


def test_a_chunk_arrives_when_it_is_made(client: httpx2.Client) -> None:
    with client.stream("POST", "/tools/count", json={"until": 1_000, "seconds": 0.01}) as answer:
        found = events(answer.iter_lines())

        assert [next(found) for _ in range(3)] == [("chunk", 0), ("chunk", 1), ("chunk", 2)]


def test_a_failure_is_told_in_words_for_strangers(client: httpx2.Client) -> None:
    [(name, facts)] = said(client, "cuont")

    assert name == "error"
    assert facts["code"] == "UNKNOWN_TOOL"
    assert "did you mean 'count'" in facts["message"]


def test_a_client_that_goes_away_ends_the_tool(client: httpx2.Client) -> None:
    with client.stream("POST", "/tools/count", json={"until": 1_000_000, "seconds": 0.01}) as answer:
        next(answer.iter_lines())

    for _ in range(TRIES):
        if said(client, "running")[0] == ("chunk", 1):  # itself alone
            break
    else:
        pytest.fail("the tool still runs")
