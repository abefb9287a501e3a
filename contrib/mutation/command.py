"""The command line: which modules, how many mutants at a time, and which survivors are explained."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import tomllib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mutation.mutants import mutants, variants_of
from mutation.report import Explanation, Outcome, judged, table, write
from mutation.trials import preload, snapshot, tried, unchanged

HERE = Path(__file__).parent


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module, and the tests that should notice every change of it."""

    module: str
    tests: list[str]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What targets.toml and survivors.toml say together."""

    operators: list[str]
    """Which of cosmic-ray's operators, by patterns as in `fnmatch`."""
    targets: list[Target]
    survivors: list[Explanation] = []


class Failed(Exception):
    """Why the mutants of a module cannot be tried."""


def main(words: Sequence[str] | None = None) -> int:
    """Try the mutants; 1 where one survives unexplained, or what is explained is gone; 2 on a mistake."""
    settings = read(HERE)
    options = arguments(settings, words)
    # So that whoever ends this by its process id leaves no fork and no copy behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    outcomes: list[Outcome] = []
    try:
        if importlib.util.find_spec("cosmic_ray") is None:
            raise Failed("there is no cosmic-ray; uv run --group mutation python contrib/mutation")
        preload()
        with snapshot() as folder:
            for target in options.targets:
                outcome = attempt(target, settings, folder, options.workers, options.every)
                outcomes.append(outcome)
                if options.write:  # one by one: what an interrupted run has found is found
                    write(HERE / "README.md", [outcome], datetime.now(UTC))
    except Failed as error:
        print(f"{HERE.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{HERE.name}: interrupted; the modules before this one are complete", file=sys.stderr)
        return 128 + signal.SIGINT
    print("", *table(outcomes, datetime.now(UTC)), sep="\n")
    return 1 if any(outcome.unexplained or outcome.stale for outcome in outcomes) else 0


def read(folder: Path) -> Settings:
    """The two files beside this one."""
    data = tomllib.loads((folder / "targets.toml").read_text("utf-8"))
    data |= tomllib.loads((folder / "survivors.toml").read_text("utf-8"))
    return msgspec.convert(data, Settings)


def arguments(settings: Settings, words: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for, with the targets that are meant."""
    parser = argparse.ArgumentParser(prog="contrib/mutation", description=main.__doc__)
    parser.add_argument("modules", nargs="*", help="such as timer, or toolcase/timer.py; all without one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="try each K-th mutant only")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args(words)
    if min(options.workers, options.every) < 1:
        parser.error("--workers and --every must be at least 1")
    if options.write and options.every > 1:
        parser.error("--write wants all mutants; leave --every out")
    modules = [target.module for target in settings.targets]
    for word in options.modules:
        if not any(means(word, module) for module in modules):
            parser.error(f"no target is called {word!r}; there are {', '.join(modules)}")
    options.targets = [
        target
        for target in settings.targets
        if not options.modules or any(means(word, target.module) for word in options.modules)
    ]
    return options


def means(word: str, module: str) -> bool:
    """Whether a word names this module: its path, the end of that, or its name."""
    path = Path(module)
    return word == path.stem or f"/{module}".endswith(f"/{word}")


def attempt(target: Target, settings: Settings, folder: Path, workers: int, every: int) -> Outcome:
    """Try the mutants of one module, and say what became of them."""
    print(f"{target.module}: its tests, unchanged", file=sys.stderr, flush=True)
    taken = unchanged(target.tests, folder)
    if taken is None:
        raise Failed(f"the tests of {target.module} fail as it is; mend that first, nothing of it was tried")
    text = (folder / target.module).read_text("utf-8")
    every_one = mutants(target.module, text, variants_of(text, settings.operators))
    found = list(every_one)[::every]
    ends = []
    # Ample, because several run at a time: what takes so long hangs, most often in a loop without end.
    with closing(tried(found, target.tests, folder, workers, seconds=5 + 4 * taken)) as results:
        for one in results:
            ends.append(one)
            if sys.stderr.isatty():
                print(f"\r{len(ends)} of {len(found)} mutants", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    outcome = judged(target.module, ends, settings.survivors, whole=every == 1)
    print(outcome, flush=True)
    return outcome
