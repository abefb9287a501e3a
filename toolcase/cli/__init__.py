"""The door to the command line: `main` is the console script; commands of plugins need the rest."""

from toolcase.cli.application import load as load
from toolcase.cli.program import main as main
from toolcase.cli.settings import Settings as Settings
from toolcase.cli.settings import print_json as print_json
