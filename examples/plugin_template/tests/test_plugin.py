"""The plugin, as a host loads it: install it first, with `pip install -e '.[test]'`."""

from pathlib import Path

import pytest
from toolcase import PluginError, PluginRegistry, Registry

from toolcase_fortune.jar import SAYINGS, Jar
from toolcase_fortune.plugin import FortunePlugin
from toolcase_fortune.quiet_hours import QuietHours


def load(**settings: str) -> PluginRegistry:
    own = {"fortune": settings}
    return PluginRegistry.load(settings=own, pyproject=False, required=["fortune"])


def test_a_host_finds_it() -> None:
    assert isinstance(load().get("fortune"), FortunePlugin)


async def test_a_host_calls_its_tool() -> None:
    registry = Registry()
    load().install(registry)

    async with registry:
        assert await registry.call("fortune") in SAYINGS


async def test_the_tool_draws_from_the_jar_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "sayings.txt").write_text("rain", encoding="utf-8")
    registry = Registry()
    load(jar=f"fortune:{tmp_path / 'sayings.txt'}").install(registry)

    assert await registry.call("fortune") == "rain"


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(PluginError, match=r"its settings do not fit: .*jar"):
        load(jar="elsewhere:sayings.txt")


def test_a_host_places_its_middleware() -> None:
    assert load().middleware("fortune-quiet-hours", end=7) == QuietHours(end=7)


def test_a_host_opens_its_port() -> None:
    assert load().open("jar", "fortune:") == Jar(SAYINGS)


def test_it_brings_its_command() -> None:
    plugin = load().loaded["fortune"]

    assert "fortune" in plugin.offered("command")
