"""One error for several callers: each gets an object of its own, so that nothing is noted on another's."""

from __future__ import annotations

import copy


def twin(error: Exception) -> Exception:
    """Another error that says the same and comes from the same; the error itself where there can be none."""
    try:
        other = copy.copy(error)
        # Copying one calls its class with its `args`, and that class may make something else of them.
        if type(other) is not type(error) or other.args != error.args or str(other) != str(error):
            return error
    except Exception:  # noqa: BLE001  foreign code
        return error
    if "__notes__" in vars(other):
        other.__notes__ = list(other.__notes__)
    other.__cause__, other.__context__ = error.__cause__, error.__context__
    other.__suppress_context__ = error.__suppress_context__
    return other
