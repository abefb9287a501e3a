"""Wheels, and fresh environments to install them in; no index is asked for anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import entry_points
from pathlib import Path

_INSTALLED_FROM = ("PYTHON", "COV", "TOOLCASE", "VIRTUAL_ENV", "UV_")
"""How the names of variables begin that would lead a program back to this environment."""


def build(project: Path, folder: Path) -> Path:
    """The wheel of a project, put into an empty folder by the backend itself, in this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def fresh(folder: Path) -> Path:
    """The scripts of a fresh environment, with the dependencies of this one behind."""
    venv.create(folder, with_pip=_uv() is None, symlinks=os.name != "nt")
    places = {"base": str(folder), "platbase": str(folder)}
    # Behind, because a .pth file's folders come after; and .pth files in those, such as the one that leads
    # to the source tree, are not read.
    behind = Path(sysconfig.get_path("purelib", "venv", places)) / "dependencies.pth"
    behind.write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n", encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", places))


def install(scripts: Path, *wheels: Path) -> Path:
    """Install wheels, as they are, into the environment that has these scripts."""
    uv, python = _uv(), str(scripts / "python")
    program = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    offline = ["--no-deps", "--no-index", "--quiet", *map(str, wheels)]
    subprocess.run([*program, *offline], cwd=scripts, capture_output=True, text=True, check=True)
    return scripts


def _uv() -> str | None:
    return os.environ.get("UV") or shutil.which("uv")


def run(folder: Path, program: Path, *words: str, **variables: str) -> str:
    """What a program of a fresh environment prints; AssertionError if it does not end well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_INSTALLED_FROM)}
    # Those of this environment are seen behind the fresh one, without their code.
    kept["TOOLCASE_DISABLE_PLUGINS"] = ",".join({entry.name for entry in entry_points(group="toolcase")})
    done = subprocess.run(
        [str(program), *words], cwd=folder, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
