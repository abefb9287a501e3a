"""The demo's HTTP client against its server, without faults and with answers that are none."""

import io
from functools import partial
from pathlib import Path

import anyio
import pytest

from toolcase.cli.demo_catalogue import Catalogue, fill
from toolcase.cli.demo_client import Client, read
from toolcase.cli.demo_server import serving
from toolcase.errors import ToolFailed


def test_a_note_is_kept(tmp_path: Path):
    fill(database := tmp_path / "packages.sqlite")

    with serving(database, {}) as server:
        kept = anyio.run(partial(Client(server.port).add_note, package="click", text="pleasant"))

    assert kept == {"kept": True}
    assert Catalogue(database).query_packages("SELECT * FROM notes") == [
        {"package": "click", "text": "pleasant"}
    ]


def test_a_blocking_download(tmp_path: Path):
    fill(database := tmp_path / "packages.sqlite")

    with serving(database, {}) as server:
        (row,) = Client(server.port).download_package("click")

    assert row["name"] == "click"


def test_another_status_is_a_failure():
    with pytest.raises(ToolFailed, match="the server answered 404"):
        read(io.BytesIO(b"HTTP/1.0 404 Not Found\r\n\r\n"))


def test_no_answer_at_all_is_a_lost_connection():
    with pytest.raises(ConnectionResetError, match="without an answer"):
        read(io.BytesIO())
