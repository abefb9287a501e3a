"""The door to the command line: `toolcase.cli:main` is the console script."""

from toolcase.cli.program import main as main
