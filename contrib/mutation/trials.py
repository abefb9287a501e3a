"""Mutants tried: a fork of this process for each, in which the tests meet the changed module.

What the tests import from other projects is imported once, before the forks, and that is most of what
starting pytest takes. Nothing is written over: the fork alone knows the change.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing.connection import wait
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]

FOREIGN = (
    "_hypothesis_pytestplugin",
    "anyio.from_thread",
    "anyio._backends._asyncio",
    "anyio._backends._trio",
    "hypothesis.strategies",
    "jsonschema",
    "msgspec",
    "opentelemetry.trace",
    "pydantic",
    "pytest",
    "structlog",
    "trio.testing",
    "wrapt",
)
"""Nothing of ours, which each fork must import by itself."""

# Those of pyproject.toml ask for the plugin that measures coverage, and no plugin is loaded for its offer.
OPTIONS = (
    "-q",
    "-x",
    "-o",
    "addopts=",
    "--import-mode=importlib",
    "-m",
    "not long",
    "-p",
    "no:cacheprovider",
)


End = Literal["killed", "hung", "survived"]
"""What became of a mutant: a test failed with it, or never ended, or none did."""

_ENDS: MappingProxyType[int, End] = MappingProxyType({0: "survived", -signal.SIGKILL: "hung"})


@contextmanager
def snapshot() -> Iterator[Path]:
    """A copy of the project as git lists it, which nobody edits while the tests run in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="toolcase-mutation-") as name:
        folder = Path(name).resolve()
        for file in filter(None, listed.split("\0")):
            if (ROOT / file).is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, folder / file)
        yield folder


def preload() -> None:
    """Import what nearly all tests import, once for all forks that follow."""
    for name in FOREIGN:
        importlib.import_module(name)


def unchanged(tests: Sequence[str], folder: Path) -> float | None:
    """How many seconds these tests take as the module is; None where they fail, which they then have said."""
    began = time.monotonic()
    process = fork(tests, folder)
    try:
        process.join()
    finally:
        process.kill()
    return None if process.exitcode else time.monotonic() - began


def tried(
    mutants: Iterable[Mutant], tests: Sequence[str], folder: Path, workers: int, seconds: float
) -> Generator[tuple[Mutant, End]]:
    """Each mutant, and its end; one with which the tests take more than `seconds` hangs.

    `workers` are tried at a time. Whoever stops reading closes this, and then none of them runs on.
    """
    waiting = iter(mutants)
    running: dict[Any, tuple[Mutant, Any, float]] = {}
    try:
        while True:
            while len(running) < workers and (mutant := next(waiting, None)) is not None:
                process = fork(tests, folder, mutant)
                running[process.sentinel] = mutant, process, time.monotonic() + seconds
            if not running:
                return
            first = min(end for _, _, end in running.values())
            for sentinel in wait(list(running), max(0.0, first - time.monotonic())):
                mutant, process, _ = running.pop(sentinel)
                process.join()
                yield mutant, _ENDS.get(process.exitcode, "killed")
            for _, process, end in running.values():
                if time.monotonic() >= end:
                    process.kill()  # and the next round finds it ended
    finally:
        for _, process, _ in running.values():
            process.kill()
            process.join()


def fork(tests: Sequence[str], folder: Path, mutant: Mutant | None = None) -> Any:
    """A process in which the tests run; its exit code is pytest's."""
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(tests, folder, mutant))
    process.start()
    return process


def run_tests(tests: Sequence[str], folder: Path, mutant: Mutant | None) -> None:
    """Run the tests in the snapshot, and end this process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which kills its forks
    os.chdir(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path[:0] = [str(folder), *map(str, sorted(folder.glob("plugins/*")))]
    if mutant is None:
        os.dup2(2, 1)
    else:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.meta_path.insert(0, Changed(folder / mutant.module, mutant.text))

    # Given as a module: by its name pytest would warn that it was imported before.
    hypothesis = importlib.import_module("_hypothesis_pytestplugin")
    import pytest

    traceback = "--tb=short" if mutant is None else "--tb=no"
    code = pytest.main([*OPTIONS, traceback, *tests], plugins=[hypothesis])
    sys.stdout.flush()
    os._exit(code)  # at once: there is nobody to whom a mutant's threads and exit functions matter


class Changed:
    """Finds one file with another text than it has, and leaves all others to Python."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin != str(self.path):
            return None
        spec.loader = Text(name, spec.origin, self.text)
        return spec


class Text(SourceFileLoader):
    """Loads a module from a text; the byte code that Python keeps is of another one."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def path_stats(self, path: Any) -> Any:
        """None, so that no byte code is read or written."""
        raise OSError

    def get_data(self, path: Any) -> bytes:
        """The text, for the file's own."""
        return self.text.encode("utf-8")
