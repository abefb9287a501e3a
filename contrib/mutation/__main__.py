"""Lets `python contrib/mutation` run the mutation tests."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a folder Python knows the files in it, not the package that they are.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from mutation.command import main

    sys.exit(main())
