"""Lets `python contrib/drills` run the drills."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a folder Python knows the files in it, not the package that they are.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from drills.command import main

    sys.exit(main())
