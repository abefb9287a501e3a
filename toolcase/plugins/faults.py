"""What is told of a plugin that cannot be used: what is wrong, and what mends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from toolcase.events import log_fault
from toolcase.secrets import Secrets

SLOW_SECONDS = 10.0
"""After so long a plugin that still loads is named in the log: it may never end."""


class PluginError(Exception):
    """A plugin cannot be used: what is wrong, and in `mend` what to do about it."""

    def __init__(self, said: str, mend: str = "") -> None:
        super().__init__(f"{said}; {mend}" if mend else said)
        self.said, self.mend = said, mend


class PluginFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin is out, or ended badly; the host and the other plugins go on."""

    plugin: str
    distribution: str
    """Name and version; empty for one that the host itself registered."""
    during: str
    """What it was about: "find", "load", "settings", "hooks", "start", "run" or "stop"."""
    said: str
    mend: str
    error: BaseException

    def __str__(self) -> str:
        of = f" ({self.distribution})" if self.distribution else ""
        mend = f"; {self.mend}" if self.mend else ""
        return f"plugin {self.plugin!r}{of} is out of order: {self.said}{mend}"


def fault_of(name: str, distribution: str, during: str, error: BaseException, mend: str) -> PluginFailed:
    """The record of it; an error of ours brings its own mend."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, PluginError):
        said, mend = error.said, error.mend or mend
    return PluginFailed(
        plugin=name, distribution=distribution, during=during, said=said, mend=mend, error=error
    )


def log(fault: PluginFailed) -> None:
    """One warning, with the traceback of what a plugin raised itself."""
    ours = isinstance(fault.error, PluginError)
    log_fault(str(fault), None if ours else fault.error, Secrets())


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Name the plugin in the log if it takes long: from outside, a host that waits for it looks dead."""
    said = (
        f"plugin {name!r} still loads after {SLOW_SECONDS:g} s; run `toolcase doctor` to see where it hangs"
    )
    timer = threading.Timer(SLOW_SECONDS, log_fault, [said, None, Secrets()])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
