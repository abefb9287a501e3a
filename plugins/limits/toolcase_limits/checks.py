"""Settings are checked when a middleware is made, and the error names the setting."""

from __future__ import annotations

import math
from inspect import iscoroutinefunction


def positive(value: float, setting: str, mend: str = "") -> float:
    """`value` if it is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{setting} must be a number, got {value!r}")
    if not value > 0:
        raise ValueError(f"{setting} must be above 0, got {value!r}{mend}")
    return value


def finite(value: float, setting: str, mend: str) -> float:
    """`value` if it is a number above 0 and not infinite."""
    if positive(value, setting, mend) == math.inf:
        raise ValueError(f"{setting} must be finite, got {value!r}{mend}")
    return value


def count(value: int, setting: str, *, least: int = 1) -> int:
    """`value` if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{setting} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{setting} must be at least {least}, got {value!r}")
    return value


def function(value: object, setting: str) -> None:
    """An error unless `value` can be called, and answers at once."""
    if not callable(value):
        raise TypeError(f"{setting} must be a function of a call, got {value!r}")
    if iscoroutinefunction(value):  # each answer would be a key of its own, and nothing a limit
        raise TypeError(f"{setting} must be a plain `def`, got {value!r}")
