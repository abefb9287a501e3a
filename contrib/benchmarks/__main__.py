"""Lets `python contrib/benchmarks` run the benchmarks."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a folder Python knows the files in it, not the package that they are.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from benchmarks.command import main

    sys.exit(main())
