"""Reads what a docstring says of the function as a whole and of each parameter."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator

_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?):\s*$", re.IGNORECASE
)
_GOOGLE = re.compile(r"(?P<name>\*{0,2}\w+)\s*(?:\(.*?\))?:\s*(?P<text>.*)")
_FIELD = re.compile(r":param(?:\s+[\w\[\], |.]+?)?\s+(?P<name>\w+):\s*(?P<text>.*)")
_ANY_FIELD = re.compile(r":\w+(?:\s[^:]*)?:")
_UNDERLINE = re.compile(r"-{3,}\s*$")
_NUMPY = re.compile(r"(?P<names>\*{0,2}\w+(?:, *\*{0,2}\w+)*) *(?::|$)")
_NUMPY_SECTIONS = ("parameters", "other parameters")
_PARAMETER_SECTIONS = ("args", "arguments", "parameters", "params")


def summary(docstring: str) -> str:
    """All that stands before the first section or doctest, with the line breaks within paragraphs removed."""
    lines: list[str] = []
    for line in inspect.cleandoc(docstring).splitlines():
        if _UNDERLINE.match(line) and lines:
            lines.pop()  # the heading of a NumPy section
            break
        if _SECTION.match(line) or _ANY_FIELD.match(line) or line.startswith(">>>"):
            break
        lines.append(line)
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def parameters(docstring: str) -> dict[str, str]:
    """Description by parameter name, as Google, NumPy or reStructuredText write it."""
    lines = inspect.cleandoc(docstring).splitlines()
    found: dict[str, list[str]] = {}
    for name, text in (*_google(lines), *_numpy(lines), *_fields(lines)):
        found.setdefault(name, []).append(text)
    return {name: " ".join(part for part in parts if part) for name, parts in found.items()}


def _google(lines: list[str]) -> Iterator[tuple[str, str]]:
    inside, margin, name = False, 0, ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if section := _SECTION.match(line):
            inside, margin, name = section[1].lower() in _PARAMETER_SECTIONS, 0, ""
        elif inside and line.strip():
            if indent == 0:
                inside = False
            elif (margin == 0 or indent <= margin) and (match := _GOOGLE.match(line.strip())):
                margin, name = indent, match["name"].lstrip("*")
                yield name, match["text"].strip()
            elif name:
                yield name, line.strip()


def _numpy(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names at the margin, several with commas between them, and their description indented below."""
    inside, names = False, list[str]()
    for line, below in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if _UNDERLINE.match(below) and line.strip():
            inside, names = line.strip().lower() in _NUMPY_SECTIONS, []
        elif inside and line.strip() and not _UNDERLINE.match(line):
            if line[0].isspace():
                yield from ((name, line.strip()) for name in names)
            else:
                match = _NUMPY.match(line)
                names = [name.strip(" *") for name in match["names"].split(",")] if match else []


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    name = ""
    for line in lines:
        if match := _FIELD.match(line):
            name = match["name"]
            yield name, match["text"].strip()
        elif _ANY_FIELD.match(line) or not line.strip():
            name = ""
        elif name:
            yield name, line.strip()
