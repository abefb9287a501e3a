"""Checks the settings of what stands here when it is made, and says what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from toolcase.runtime import count


def patterns(value: str | Collection[str], setting: str) -> tuple[str, ...]:
    """Names, or patterns of names as in `fnmatch`, one or several; else TypeError."""
    several = (value,) if isinstance(value, str) else value
    given: Any = several  # whatever a host wrote there
    if not isinstance(given, Collection) or not all(isinstance(each, str) for each in given):
        raise TypeError(f"{setting} must be names of tools, or patterns such as 'get_*', got {value!r}")
    return tuple(several)


def bytes_or_inf(value: float, setting: str) -> float:
    """A whole number of bytes, at least 1, or `math.inf` for no limit; else an error."""
    given: Any = value
    return math.inf if given == math.inf else count(given, setting)
