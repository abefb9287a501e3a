"""The demo's second half, on machines that lack a part of it."""

import builtins

import pytest

from toolcase.cli import demo_crowd, demo_story
from toolcase.cli.demo_catalogue import fill
from toolcase.cli.demo_client import Client
from toolcase.cli.demo_crowd import Crowd, Trace
from toolcase.cli.demo_server import serving
from toolcase.cli.demo_watch import Watcher
from toolcase.registry import Registry


@pytest.fixture
def said():
    return []


async def test_without_the_sdk_it_says_what_to_install(said, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("opentelemetry.sdk"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    trace = Trace()
    await trace.play(Registry(), Watcher(said.append))

    assert trace.middleware() == []
    assert trace.lines == []
    assert "toolcase[otel]" in said[-1]


@pytest.mark.real_time
async def test_the_rest_goes_on_without_the_plugin(said, monkeypatch, tmp_path):
    monkeypatch.setenv("TOOLCASE_DISABLE_PLUGINS", "*")
    fill(tmp_path / "packages.sqlite")
    registry = demo_story.empty()
    with serving(tmp_path / "packages.sqlite", demo_crowd.faults()) as server:
        client, watcher = Client(server.port), Watcher(said.append)
        crowd = Crowd(registry, client, server, watcher)
        demo_story.furnish(registry, tmp_path / "packages.sqlite", client, watcher)
        await crowd.play()

    assert [row.tool for row in watcher.rows if row.tool == "latest_package"] == []
    assert any("pip install toolcase-cache" in line for line in said)
    assert watcher.rows[-1].outcome == "BUDGET_EXCEEDED"
