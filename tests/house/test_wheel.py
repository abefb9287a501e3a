"""The wheel as users install it: what it holds, which version it is, and whose `toolcase` one gets."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.version import Version

from house.source import ROOT

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the backend itself, in this environment: no index is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with the wheel in it, and this environment's dependencies behind."""
    folder = tmp_path_factory.mktemp("fresh")
    uv = os.environ.get("UV") or shutil.which("uv")
    venv.create(folder, with_pip=uv is None, symlinks=os.name != "nt")
    places = {"base": str(folder), "platbase": str(folder)}
    scripts = Path(sysconfig.get_path("scripts", "venv", places))
    python = str(scripts / "python")
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    offline = ["--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run([*install, *offline], cwd=folder, capture_output=True, text=True, check=True)
    # Behind, because a .pth file's folders come after; and .pth files in those, such as the one that leads
    # to the source tree, are not read.
    behind = Path(sysconfig.get_path("purelib", "venv", places)) / "dependencies.pth"
    behind.write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n", encoding="utf-8")
    return scripts


def test_holds_the_package_its_types_and_the_license_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert "toolcase/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"toolcase"}
    assert not [name for name in names if "/test_" in name or "/conftest" in name or "/tests/" in name]


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


def run(folder: Path, program: Path, *words: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [str(program), *words], cwd=folder, env=inherited, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(wheel: Path, name: str) -> str:
    archive = zipfile.ZipFile(wheel)
    (found,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
    return archive.read(found).decode()


def metadata(wheel: Path) -> Message:
    return Parser().parsestr(read(wheel, "METADATA"))
