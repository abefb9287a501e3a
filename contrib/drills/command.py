"""The command line: which back ends, how many calls, how much data, and what came of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import anyio

from drills.burst import Burst, burst
from drills.flood import flood

BACKENDS = ("asyncio", "trio")


def main(words: Sequence[str] | None = None) -> int:
    """Run the drills; 1 where one of them came out wrong."""
    parser = argparse.ArgumentParser(prog="contrib/drills", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, metavar="N")
    parser.add_argument("--mebibytes", type=int, default=1024, metavar="N")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="both without it")
    options = parser.parse_args(words)
    faults = []
    backends = options.backend or BACKENDS
    for backend in backends:  # first, while the process is small: what it grows by is seen at its peak
        poured = anyio.run(flood, backend, options.mebibytes, backend=backend)
        print(poured, flush=True)
        faults += [f"{backend}: {fault}" for fault in poured.faults()]
    for backend in backends:
        result = anyio.run(burst, backend, options.calls, backend=backend)
        print(shown(result), flush=True)
        faults += [f"{backend}: {fault}" for fault in result.faults()]
    print("\n".join(faults) or "all data arrived, every outcome counted once, nothing left over")
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
