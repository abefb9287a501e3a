"""The template of a plugin: what `toolcase new plugin` writes, installed beside toolcase as users do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house.source import ROOT, files
from house.wheels import build, fresh, install, run

EXAMPLE = ROOT / "examples" / "plugin_template"
LONG = "a-name-with-very-many-letters"
PROGRAM = Path(__file__).with_name("pages.py")

IDENTIFIER = LONG.replace("-", "_")


def write(name: str, folder: Path) -> Path:
    # A process of its own, because the program configures logging for the whole of it.
    command = [sys.executable, "-c", "from toolcase.cli import main; main()", "new", "plugin", name]
    subprocess.run([*command, "--folder", str(folder)], capture_output=True, text=True, check=True)
    return folder


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the command writes for two names."""
    folder = tmp_path_factory.mktemp("projects")
    return [write(name, folder / name) for name in ("fortune", LONG)]


@pytest.fixture(scope="module")
def installed(projects: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with both, and toolcase."""
    wheels = [build(project, tmp_path_factory.mktemp("wheel")) for project in (ROOT, *projects)]
    return install(fresh(tmp_path_factory.mktemp("fresh")), *wheels)


def test_the_example_is_what_the_command_writes(projects: list[Path]) -> None:
    written = {path.relative_to(projects[0]): path for path in projects[0].rglob("*") if path.is_file()}
    committed = {path.relative_to(EXAMPLE): path for path in files() if path.is_relative_to(EXAMPLE)}

    assert written.keys() == committed.keys()
    for name, path in written.items():
        again = f"toolcase new plugin fortune --folder {EXAMPLE.relative_to(ROOT)}"
        assert path.read_bytes() == committed[name].read_bytes(), f"{name}: remove the folder, then `{again}`"


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--cache-dir", "../types"]],
    ids=" ".join,
)
@pytest.mark.parametrize("which", [0, 1])
def test_its_code_is_in_order(projects: list[Path], which: int, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=projects[which], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("which", [0, 1])
def test_its_own_tests_pass_where_it_is_installed(
    projects: list[Path], which: int, installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(projects[which] / "tests", tmp_path / "tests")
    shutil.copy(projects[which] / "pyproject.toml", tmp_path)

    said = run(tmp_path, installed / "python", "-m", "pytest", "-W", "error", "-p", "no:cacheprovider")

    assert " passed" in said
    assert "skipped" not in said


@pytest.mark.parametrize("which", [0, 1])
def test_the_code_of_its_page_runs(projects: list[Path], which: int, installed: Path, tmp_path: Path) -> None:
    project = projects[which]
    python = installed / "python"

    run(tmp_path, python, str(PROGRAM), str(project / "README.md"), TOOLCASE_LOAD_PLUGINS=project.name)


def test_a_host_finds_the_tools_of_all_that_are_installed(installed: Path, tmp_path: Path) -> None:
    said = run(tmp_path, installed / "toolcase", "list")

    assert [line.split()[0] for line in said.splitlines()] == [IDENTIFIER, "fortune"]


@pytest.mark.parametrize("words", [["call", "fortune", "about=clock"], ["fortune", "clock"]])
def test_its_tool_is_called_and_its_command_runs(installed: Path, tmp_path: Path, words: list[str]) -> None:
    said = run(tmp_path, installed / "toolcase", *words)

    assert said == "A clock that jumps is home before one that runs.\n"


def test_help_names_its_command(installed: Path, tmp_path: Path) -> None:
    assert "fortune" in run(tmp_path, installed / "toolcase", "--help")


def test_the_list_of_plugins_shows_it(installed: Path, tmp_path: Path) -> None:
    said = json.loads(run(tmp_path, installed / "toolcase", "plugins", "--json"))

    (fortune,) = [plugin for plugin in said["plugins"] if plugin["name"] == "fortune"]
    assert (fortune["distribution"], fortune["state"]) == ("toolcase-fortune 0.1.0", "loaded")
    assert set(fortune["hooks"]) == set(said["hooks"]) - {"toolcase_lifespan"}


def test_the_doctor_finds_nothing_wrong_with_it(installed: Path, tmp_path: Path) -> None:
    assert "fortune" in run(tmp_path, installed / "toolcase", "doctor")
