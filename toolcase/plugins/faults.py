"""What is told of a plugin that cannot be used: what is wrong, and what mends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from toolcase.errors import lone, message_of
from toolcase.events import log_fault
from toolcase.plain import printable
from toolcase.secrets import Secrets

SLOW_SECONDS = 10.0
"""After so long a plugin that still loads is named in the log: it may never end."""


_FIELDS = ("__dict__", "__dataclass_fields__", "__struct_fields__")


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


def said_of(error: BaseException, secrets: Secrets) -> str:
    """What is wrong, in one line; of an error alone in its group, what that says."""
    error = lone(error)
    said = error.said if isinstance(error, PluginError) else f"{type(error).__name__}: {message_of(error)}"
    return printable(secrets.redact(" ".join(said.split()).removesuffix(":")))


def note_secrets(secrets: Secrets, value: Any, *, hidden: bool = False, depth: int = 6) -> None:
    """Take in what is of a secret type in settings, or stands under a name that tells that it is one."""
    if hasattr(type(value), "get_secret_value") or (hidden and isinstance(value, str | bytes)):
        with suppress(ValueError, TypeError):  # too short to be masked, or no text
            secrets.add(value)
    elif depth:
        items = dict(enumerate(value)) if isinstance(value, list | tuple) else value
        if not isinstance(items, Mapping):
            items = {name: getattr(value, name, None) for of in _FIELDS for name in getattr(value, of, ())}
        for name, item in items.items():
            note_secrets(secrets, item, hidden=hidden or secrets.hides(str(name)), depth=depth - 1)


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
