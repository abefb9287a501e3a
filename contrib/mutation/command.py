"""The command line: which modules, how many at a time, and which survivors are known."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mutation.mutants import Mutant, Tried, attempt, command, mutants

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module, and the tests that should notice every change of it."""

    module: str
    tests: list[str]


class Survivor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that no test can notice, and why."""

    module: str
    was: str
    now: str
    why: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What targets.toml and survivors.toml say together."""

    seconds: float
    """For the tests of one mutant; one that takes longer counts as killed."""
    operators: list[str]
    """Which of cosmic-ray's operators, by patterns as in `fnmatch`."""
    targets: list[Target]
    survivors: list[Survivor] = []


def main(words: Sequence[str] | None = None) -> int:
    """Try the mutants; 1 where one survives that is not known to be equivalent."""
    parser = argparse.ArgumentParser(prog="contrib/mutation", description=__doc__)
    parser.add_argument("module", nargs="*", help="such as retry, or toolcase/timer.py; all without one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="try each K-th mutant only")
    options = parser.parse_args(words)
    settings = read()
    chosen = [target for target in settings.targets if matches(target.module, options.module)]
    if not chosen:
        parser.error(f"no target is called {options.module}; they are in {HERE.name}/targets.toml")
    with copies(options.workers) as folders:
        for target in chosen:
            subprocess.run(command(target.tests).split(), cwd=folders[0], check=True, stdout=sys.stderr)
        unknown = [found for target in chosen for found in judge(target, settings, folders, options.every)]
    for found in unknown:
        print(f"\n{found.mutant.module} ({found.mutant.operator})\n- {found.was}\n+ {found.now}{found.said}")
    print(f"\n{len(unknown)} survivors that nobody has explained")
    return 1 if unknown else 0


def read() -> Settings:
    """The two files beside this one."""
    data = tomllib.loads((HERE / "targets.toml").read_text("utf-8"))
    data |= tomllib.loads((HERE / "survivors.toml").read_text("utf-8"))
    return msgspec.convert(data, Settings)


def matches(module: str, wanted: list[str]) -> bool:
    """Whether a module is meant: by its path or its name; without words every one is."""
    return not wanted or module in wanted or Path(module).stem in wanted


@contextmanager
def copies(number: int) -> Iterator[list[Path]]:
    """As many copies of the project, as git lists it, for workers that change files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="toolcase-mutation-") as folder:
        folders = [Path(folder).resolve() / str(place) for place in range(number)]
        for place in folders:
            for name in filter(None, listed.split("\0")):
                if (ROOT / name).is_file():
                    place.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, place / name)
        yield folders


def judge(target: Target, settings: Settings, folders: list[Path], every: int) -> list[Tried]:
    """Try the mutants of one module, say how many there were, and give those nobody has explained."""
    found = list(mutants(ROOT / target.module, target.module, settings.operators))[::every]
    known = {(each.module, each.was, each.now) for each in settings.survivors}
    free: multiprocessing.Queue[Path] = multiprocessing.Queue()
    for folder in folders:
        free.put(folder)
    with multiprocessing.Pool(len(folders), settle, (free,), maxtasksperchild=None) as pool:
        jobs = [(mutant, target.tests, settings.seconds) for mutant in found]
        tried = pool.starmap(try_here, jobs, chunksize=1)
    alive = [each for each in tried if not each.killed]
    unknown = [each for each in alive if each.said or (target.module, each.was, each.now) not in known]
    killed = len(tried) - len(alive)
    print(
        f"{target.module}: {len(tried)} mutants, {killed} killed, {len(alive)} survived, "
        f"{len(unknown)} of them not explained",
        flush=True,
    )
    return unknown


def settle(free: multiprocessing.Queue[Path]) -> None:
    """Take one of the copies for this worker, for good."""
    os.chdir(free.get())


def try_here(mutant: Mutant, tests: list[str], seconds: float) -> Tried:
    """Try a mutant in the copy of this worker."""
    return attempt(mutant, Path.cwd(), tests, seconds)
