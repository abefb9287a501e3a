"""The tutorial of a plugin, followed as a stranger does: its files written, its commands run, in order."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.pages import CONSOLE, blocks
from house.source import ROOT
from house.wheels import build, fresh, install, run

PAGE = ROOT / "docs" / "tutorial" / "first-plugin.md"
PREPARE = "python -m pip install 'toolcase[testing]>=0.2' pytest"
INSTALL = "python -m pip install -e ."


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The scripts of a fresh environment with toolcase in it."""
    return install(fresh(tmp_path / "environment"), build(ROOT, tmp_path / "wheel"))


def test_a_stranger_who_follows_the_page_sees_what_it_says(scripts: Path, tmp_path: Path) -> None:
    project = tmp_path / "toolcase-tea"
    commands = []

    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.file:
            block.write(project)
        for command, says in steps(block.code) if block.info == CONSOLE else ():
            said = follow(command, project, scripts)
            assert not says or steady(said) == steady(says), f"{PAGE.name}:{block.line}: $ {command}"
            commands.append(command)

    assert (commands[0], commands.count(INSTALL)) == (PREPARE, 1)


def steps(code: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, and what stands below it."""
    for part in filter(None, re.split(r"^\$ ", code, flags=re.MULTILINE)):
        command, _, says = part.partition("\n")
        yield command, says


def follow(command: str, project: Path, scripts: Path) -> str:
    """Do what the line says. Where it would ask an index, the same without."""
    if command == PREPARE:
        return ""
    if command == INSTALL:
        install(scripts, build(project, project / "dist"))
        lead_back(scripts, project)
        return ""
    program, *words = shlex.split(command)
    return run(project, scripts / program, *words)


def lead_back(scripts: Path, project: Path) -> None:
    """What `-e` is about: the code is read where it is written."""
    (installed,) = scripts.parent.rglob("site-packages/toolcase_tea/__init__.py")
    shutil.rmtree(installed.parent)
    (installed.parents[1] / "toolcase_tea.pth").write_text(f"{project}\n", encoding="utf-8")


def steady(said: str) -> list[str]:
    """The lines, without what a clock or a list of more plugins changes in them."""
    lines = [line for line in said.splitlines() if "LEFT OUT" not in line]
    return [re.sub(r" in [\d.]+s$|(?<=  ) +", "", line) for line in lines]
