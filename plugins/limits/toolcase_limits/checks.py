"""Settings are checked when a middleware is made, and the error names the setting."""

from __future__ import annotations

import math
import sys
from inspect import iscoroutinefunction


def positive(value: float, setting: str, mend: str = "") -> float:
    """`value` if it is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{setting} must be a number, got {value!r}")
    if not value > 0:
        raise ValueError(f"{setting} must be above 0, got {value!r}{mend}")
    if math.inf > value > sys.float_info.max:  # a whole number, which no clock can be told
        raise ValueError(f"{setting} must be at most {sys.float_info.max}, or math.inf, got one above that")
    return value


def finite(value: float, setting: str, mend: str) -> float:
    """`value` if it is a number above 0 and not infinite."""
    if positive(value, setting, mend) == math.inf:
        raise ValueError(f"{setting} must be finite, got {value!r}{mend}")
    return value


def function(value: object, setting: str) -> None:
    """An error unless `value` can be called, and answers at once."""
    if not callable(value):
        raise TypeError(f"{setting} must be a function of a call, got {value!r}")
    if iscoroutinefunction(value):  # each answer would be a key of its own, and nothing a limit
        raise TypeError(f"{setting} must be a plain `def`, got {value!r}")
