"""The command line: which back ends, how many calls, and what came of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import anyio

from drills.burst import Burst, burst

BACKENDS = ("asyncio", "trio")


def main(words: Sequence[str] | None = None) -> int:
    """Run the drills; 1 where one of them came out wrong."""
    parser = argparse.ArgumentParser(prog="contrib/drills", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, metavar="N")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="both without it")
    options = parser.parse_args(words)
    faults = []
    for backend in options.backend or BACKENDS:
        result = anyio.run(burst, backend, options.calls, backend=backend)
        print(shown(result), flush=True)
        faults += [f"{backend}: {fault}" for fault in result.faults()]
    print("\n".join(faults) or "every outcome counted once, nothing left over")
    return 1 if faults else 0


def shown(result: Burst) -> str:
    """One burst, for a reader."""
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in result.outcomes.items())
    return (
        f"{result.backend}: {result.calls:,} calls in {result.seconds:.1f} s, "
        f"{result.most_at_once:,} at once, {result.started:,} starts of the tool\n"
        f"  {outcomes}\n"
        f"  {result.memory_bytes / 2**20:.0f} MiB at most in this process"
    )
