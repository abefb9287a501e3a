"""The wheel as users install it: what it holds, which version it is, and whose `toolcase` one gets."""

from __future__ import annotations

import configparser
import json
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from house.source import ROOT
from house.wheels import build, fresh, install, run

FOREIGN = Version("0.1.0")
"""The newest version of the older distribution that has our name in the public registry."""

ASKS = """\
import importlib.metadata, json, sys
import toolcase.runtime
from toolcase.cli import main

async def add(a: int, b: int) -> int:
    return a + b

import asyncio
registry = toolcase.Registry()
registry.add(add)
print(json.dumps({
    "file": toolcase.__file__,
    "version": importlib.metadata.version("toolcase"),
    "sum": asyncio.run(registry.call("add", a=1, b="2")),
}))
"""

LOADS = """\
import json, sys
import toolcase

plugins = toolcase.PluginRegistry.load(pyproject=False)
print(json.dumps({
    "toolcase": toolcase.__file__,
    "plugins": {
        name: sys.modules[each.found.entry.module].__file__ for name, each in plugins.loaded.items()
    },
    "faults": [str(fault) for fault in plugins.faults],
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with the wheel in it."""
    return install(fresh(tmp_path_factory.mktemp("fresh")), wheel)


def test_holds_the_package_its_types_and_the_license_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert "toolcase/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"toolcase"}
    code = [name for name in names if not name.startswith("toolcase/cli/plugin_template/")]
    assert not [name for name in code if "/test_" in name or "/conftest" in name or "/tests/" in name]


def test_is_newer_than_the_foreign_one_of_this_name(wheel: Path) -> None:
    assert Version(metadata(wheel)["Version"]) > FOREIGN


def test_shows_the_readme_and_names_the_license(wheel: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    said = metadata(wheel)

    assert said["License-Expression"] == "MIT"
    assert str(said.get_payload()).strip() == readme.strip()


def test_brings_the_command(wheel: Path) -> None:
    entry_points = configparser.ConfigParser()

    entry_points.read_string(read(wheel, "entry_points.txt"))

    assert entry_points["console_scripts"]["toolcase"] == "toolcase.cli:main"


def test_is_what_one_imports(wheel: Path, installed: Path, tmp_path: Path) -> None:
    said = json.loads(run(tmp_path, installed / "python", "-I", "-c", ASKS))

    assert Path(said["file"]).is_relative_to(installed.parent)
    assert said["version"] == metadata(wheel)["Version"]
    assert said["sum"] == 3


def test_the_command_runs(wheel: Path, installed: Path, tmp_path: Path) -> None:
    said = run(tmp_path, installed / "toolcase", "--version")

    assert metadata(wheel)["Version"] in said


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of all plugins that we publish."""
    projects = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))
    return [build(project, tmp_path_factory.mktemp(project.name)) for project in projects]


def test_plugins_ask_for_ours_and_not_for_the_foreign_one_of_this_name(plugins: list[Path]) -> None:
    for plugin in plugins:
        asked = [Requirement(line) for line in metadata(plugin).get_all("Requires-Dist", [])]
        (ours,) = [each for each in asked if each.name == "toolcase"]

        assert FOREIGN not in ours.specifier, f"{plugin.name} takes {FOREIGN}; ask for toolcase>=0.2.0"


def test_plugins_are_found_where_all_is_installed_from_wheels(
    wheel: Path, plugins: list[Path], tmp_path: Path
) -> None:
    scripts = install(fresh(tmp_path / "fresh"), wheel, *plugins)

    found = json.loads(run(tmp_path, scripts / "python", "-I", "-c", LOADS, TOOLCASE_DISABLE_PLUGINS=""))

    assert Path(found["toolcase"]).is_relative_to(scripts.parent)
    assert len(found["plugins"]) == len(plugins)
    assert all(Path(file).is_relative_to(scripts.parent) for file in found["plugins"].values())
    assert found["faults"] == []


def read(wheel: Path, name: str) -> str:
    archive = zipfile.ZipFile(wheel)
    (found,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
    return archive.read(found).decode()


def metadata(wheel: Path) -> Message:
    return Parser().parsestr(read(wheel, "METADATA"))
