"""What became of the mutants of a module: who survived, whether that is explained, and the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from mutation.mutants import Mutant
from mutation.trials import End

HEAD = (
    "| module | mutants | killed | of these hung | survived | explained | tried |",
    "|---|---|---|---|---|---|---|",
)


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that no test can notice, and why."""

    module: str
    was: str
    now: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        """Whether it is said of this mutant."""
        return (self.module, self.was, self.now) == (mutant.module, mutant.was, mutant.now)


class Outcome(msgspec.Struct, frozen=True):
    """The figures of one module, and what is to be done about it."""

    module: str
    mutants: int
    hung: int
    """How many were killed only by the limit of time: a test without end, and in doubt a slow machine."""
    survived: int
    unexplained: list[Mutant]
    stale: list[Explanation]
    """Explanations of what is killed by now, or no longer there."""

    @property
    def killed(self) -> int:
        """How many a test noticed, those included with which it never ended."""
        return self.mutants - self.survived

    def __str__(self) -> str:
        killed = f"{self.killed} of {self.mutants} mutants killed ({self.hung} hung)"
        lines = [f"{self.module}: {killed}, {self.survived} survived"]
        for mutant in self.unexplained:
            lines += ["", f"survived: {mutant.module}:{mutant.line}", f"- {mutant.was}", f"+ {mutant.now}"]
        for entry in self.stale:
            lines += ["", f"stale in survivors.toml: {entry.module}", f"- {entry.was}", f"+ {entry.now}"]
        return "\n".join(lines)


def judged(
    module: str, ends: Sequence[tuple[Mutant, End]], known: Iterable[Explanation], *, whole: bool
) -> Outcome:
    """The outcome of a module; each explanation is good for one survivor.

    Only where the `whole` module was tried can it be said that an explanation has no survivor.
    """
    alive = [mutant for mutant, end in ends if end == "survived"]
    hung = sum(end == "hung" for _, end in ends)
    left = [entry for entry in known if entry.module == module]
    unexplained = []
    for mutant in alive:
        entry = next((entry for entry in left if entry.fits(mutant)), None)
        if entry is None:
            unexplained.append(mutant)
        else:
            left.remove(entry)
    return Outcome(module, len(ends), hung, len(alive), unexplained, left if whole else [])


def table(outcomes: Iterable[Outcome], tried: datetime) -> list[str]:
    """The figures, as Markdown."""
    return [*HEAD, *(row(outcome, tried) for outcome in outcomes)]


def row(outcome: Outcome, tried: datetime) -> str:
    """The figures of one module."""
    explained = outcome.survived - len(outcome.unexplained)
    figures = f"{outcome.mutants} | {outcome.killed} | {outcome.hung} | {outcome.survived} | {explained}"
    return f"| `{outcome.module}` | {figures} | {tried:%Y-%m-%d} |"


def write(page: Path, outcomes: Iterable[Outcome], tried: datetime) -> None:
    """Put these modules' rows in place of their last ones in the page's table, or at its end."""
    lines = page.read_text("utf-8").splitlines()
    start = lines.index(HEAD[1]) + 1
    end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
    rows = {line.split("`")[1]: line for line in lines[start:end]}
    rows |= {outcome.module: row(outcome, tried) for outcome in outcomes}
    page.write_text("\n".join([*lines[:start], *rows.values(), *lines[end:]]) + "\n", "utf-8")
