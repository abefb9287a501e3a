"""Checks the settings of what stands here when it is made, and says what is wrong with them."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from typing import Any


def seconds(value: float, setting: str) -> float:
    """A duration above 0, infinity included; else TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{setting} must be a number of seconds, got {value!r}")
    if not (0 < value <= sys.float_info.max or value == math.inf):
        raise ValueError(f"{setting} must be above 0 seconds, got {value!r}; use math.inf for no limit")
    return value


def count(value: float, setting: str) -> int:
    """A whole number of at least 1; else TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{setting} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{setting} must be at least 1, got {value!r}")
    return value


def patterns(value: str | Collection[str], setting: str) -> tuple[str, ...]:
    """Names, or patterns of names as in `fnmatch`, one or several; else TypeError."""
    several = (value,) if isinstance(value, str) else value
    given: Any = several  # whatever a host wrote there
    if not isinstance(given, Collection) or not all(isinstance(each, str) for each in given):
        raise TypeError(f"{setting} must be names of tools, or patterns such as 'get_*', got {value!r}")
    return tuple(several)
