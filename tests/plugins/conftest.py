"""What the tests of plugins share: a place where distributions are installed, and no others are found."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import pytest

from installable.distributions import Shipped
from toolcase.plugins import installed


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, the only one in which distributions are looked for; the current folder too."""
    folder = tmp_path / "site"
    folder.mkdir()
    for variable in (installed.DISABLE, installed.LOAD):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(installed, "distributions", partial(distributions, path=[str(folder)]))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("tc_"):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Callable[..., None]:
    """Installs distributions there."""

    def install(*shipped: Shipped) -> None:
        for each in shipped:
            each.install(site)

    return install


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What our logger said so far, as it stands in a log, tracebacks included."""
    said: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    logger, handler = logging.getLogger("toolcase"), Keeps()
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)
