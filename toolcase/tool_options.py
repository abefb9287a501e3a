"""What can be declared of a tool, checked when it is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolcase.clock import count, seconds
from toolcase.resume import Resume

NAME_CHARACTERS = 128
_FLAGS = ("read_only", "idempotent", "destructive", "strict", "validate_result", "shared")
_TEXTS = ("description", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """What is declared of a tool; the settings of `tool` in one value."""

    name: str
    description: str = ""
    tags: frozenset[str] = frozenset()
    read_only: bool | None = None
    idempotent: bool | None = None
    destructive: bool | None = None
    timeout: float | None = None
    max_concurrent: int | None = None
    middleware: tuple[Callable[[Any, Any], Awaitable[Any]], ...] = ()
    strict: bool = False
    expose: tuple[type[Exception], ...] = (ValueError, LookupError)
    validate_result: bool = False
    version: str = ""
    examples: tuple[Mapping[str, Any], ...] = ()
    shared: bool = False
    buffer: int | None = None
    resume: Resume | None = None

    def __post_init__(self) -> None:
        self._check_name()
        if self.timeout is not None:
            seconds(self.timeout, f"timeout of tool {self.name!r}")
        if self.max_concurrent is not None:
            count(self.max_concurrent, f"max_concurrent of tool {self.name!r}")
        if self.buffer is not None:
            count(self.buffer, f"buffer of tool {self.name!r}")
        for setting in (*_TEXTS, *_FLAGS):
            kind, wanted = (str, "a string") if setting in _TEXTS else (bool | None, "True or False")
            if not isinstance(value := getattr(self, setting), kind):
                raise TypeError(f"{setting} of tool {self.name!r} must be {wanted}, got {value!r}")
        object.__setattr__(self, "tags", frozenset(self._several("tags")))
        for setting in ("middleware", "expose", "examples"):
            object.__setattr__(self, setting, tuple(self._several(setting)))
        shown: Any  # whatever a host wrote there
        for shown in self.expose:
            if not (isinstance(shown, type) and issubclass(shown, Exception)):
                raise TypeError(f"expose of tool {self.name!r} must be exception types, got {shown!r}")
        if self.read_only and (self.destructive or self.idempotent is False):
            raise ValueError(
                f"tool {self.name!r} is declared read_only=True and also "
                f"destructive={self.destructive}, idempotent={self.idempotent}; "
                "a read-only tool is idempotent and destroys nothing: leave these two out"
            )

    def _check_name(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"a tool's name must be a string, got {self.name!r}")
        if not self.name or len(self.name) > NAME_CHARACTERS or not self.name.isprintable():
            raise ValueError(
                f"a tool's name is 1 to {NAME_CHARACTERS} printable characters, got {self.name!r}"
            )
        if self.name != self.name.strip() or (self.name[0], self.name[-1]) == ("<", ">"):
            raise ValueError(f"{self.name!r} is no name that callers can say; give one with @tool(name=...)")

    def _several(self, setting: str) -> Iterable[Any]:
        values = getattr(self, setting)
        # A class may be iterable, as an Enum is, and yet be meant as one.
        if isinstance(values, str | bytes | type | Mapping) or not isinstance(values, Iterable):
            raise TypeError(f"{setting} of tool {self.name!r} must be several, in a list, got {values!r}")
        return values
