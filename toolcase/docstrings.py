"""Reads what a docstring says of the function as a whole and of each parameter."""

from __future__ import annotations

import inspect
import re
import textwrap
from itertools import chain

_WAYS = re.IGNORECASE | re.MULTILINE

_END = re.compile(
    r"^(?:(?:args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?):[ \t]*$"
    r"|:\w+(?:\s[^:\n]*)?:|>>>|.*\n-{3,}[ \t]*$)",
    _WAYS,
)
"""A section, a field, a doctest, or the underlined heading of a NumPy section."""

# Each takes whole lines: a section, or an entry with the lines below that belong to it.
_GOOGLE_SECTION = re.compile(
    r"^(?:args|arguments|parameters|params):[ \t]*\n(?P<body>(?:[ \t]+\S.*\n|[ \t]*\n)+)", _WAYS
)
_GOOGLE = re.compile(
    r"^(?P<names>\*{0,2}\w+)[ \t]*(?:\(.*?\))?:(?P<text>.*\n(?:[ \t]+.*\n|[ \t]*\n)*)", _WAYS
)
_NUMPY_SECTION = re.compile(
    r"^(?:other )?parameters[ \t]*\n-{3,}[ \t]*\n(?P<body>(?:(?!.*\n-{3,}).*\n)*)", _WAYS
)
_NUMPY = re.compile(
    r"^(?P<names>\*{0,2}\w+(?:, *\*{0,2}\w+)*) *(?::.*)?\n(?P<text>(?:[ \t]+.*\n|[ \t]*\n)+)", _WAYS
)
_FIELD = re.compile(
    r"^:param(?:\s+[\w\[\], |.]+?)?\s+(?P<names>\w+):(?P<text>.*\n(?:(?![ \t]*$|:\w).+\n)*)", _WAYS
)


def summary(docstring: str) -> str:
    """All that stands before the first section or doctest, with the line breaks within paragraphs removed."""
    before = _END.split(inspect.cleandoc(docstring), maxsplit=1)[0]
    paragraphs = before.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def parameters(docstring: str) -> dict[str, str]:
    """Description by parameter name, as Google, NumPy or reStructuredText write it."""
    whole = inspect.cleandoc(docstring) + "\n"
    google = [textwrap.dedent(section["body"]) for section in _GOOGLE_SECTION.finditer(whole)]
    numpy = [section["body"] for section in _NUMPY_SECTION.finditer(whole)]
    found: dict[str, str] = {}
    for entry, texts in ((_GOOGLE, google), (_NUMPY, numpy), (_FIELD, [whole])):
        for match in chain.from_iterable(map(entry.finditer, texts)):
            for name in match["names"].split(","):
                found.setdefault(name.strip(" *"), " ".join(match["text"].split()))
    return found
