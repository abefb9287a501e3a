"""Markdown pages: their blocks of code, their links and anchors, and a run of their Python.

`python tests/house/pages.py PAGE` runs the Python blocks of a page in order, in one namespace and one event
loop, and compares what each printed with the `text` block directly below it, where there is one. A block
directly below a line that is nothing but a path and a colon, such as "`shop/tools.py`:", is that file: it is
written, and imported if it is Python. Below "`shop/tools.py`, at its end:" it is added to that file.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import inspect
import io
import itertools
import re
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path

PYTHON, OUTPUT, CONSOLE = "python", "text", "console"

_FENCE = re.compile(r"(?P<margin> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_HEADING = re.compile(r"#{1,6}\s+(?P<text>.+?)\s*#*$")
_LINK = re.compile(
    r"""\]\(\s*<?(?P<inline>[^)\s>]+)|^\s*\[[^\]^]+\]:\s*(?P<below>\S+)|(?:src|href)="(?P<html>[^"]+)"""
)
_CODE = re.compile(r"(`+).+?\1")
_FILE = re.compile(r"`(?P<path>[\w./-]+)`(?P<more>, at its end)?:")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what its fence says, its text, and the line of its fence."""

    info: str
    code: str
    line: int
    follows: bool = False
    """Whether nothing but blank lines stands between it and the block before."""
    file: str = ""
    """The path of the file that it is, if it is one."""
    more: bool = False
    """Whether it is but the end of that file."""

    def write(self, folder: Path) -> Path:
        """Write the file that it is."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") + "\n" if self.more else ""
        path.write_text(before + self.code, encoding="utf-8")
        return path


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order. ValueError where one is not closed."""
    return _split(text)[0]


def prose(text: str) -> list[str]:
    """The lines outside blocks."""
    return _split(text)[1]


def _split(text: str) -> tuple[list[Block], list[str]]:
    found: list[Block] = []
    outside: list[str] = []
    opened: re.Match[str] | None = None
    start, inside, since = 0, [""], ""
    for number, line in enumerate(text.splitlines(), 1):
        if opened is None:
            opened, start, inside = _FENCE.match(line), number, []
            if opened is None:
                outside.append(line)
                since = line.strip() or since
        elif line.strip().startswith(opened["fence"]) and not line.strip().strip(opened["fence"][0]):
            code = "".join(f"{row}\n" for row in inside)
            follows, named = bool(found) and not since, _FILE.fullmatch(since)
            file, more = (named["path"], bool(named["more"])) if named else ("", False)
            found.append(Block(opened["info"].strip(), code, start, follows, file, more))
            opened, since = None, ""
        else:
            margin = len(opened["margin"])
            inside.append(line[margin:] if not line[:margin].strip() else line)
    if opened is not None:
        raise ValueError(f"the block that opens on line {start} is not closed")
    return found, outside


def links(text: str) -> list[str]:
    """Where the page points to, images included."""
    found = (match for line in prose(text) for match in _LINK.finditer(_CODE.sub("", line)))
    return [match["inline"] or match["below"] or match["html"] for match in found]


def anchors(text: str) -> set[str]:
    """What a link to this page can name after `#`: its headings, spelled as code hosts spell them."""
    found: set[str] = set()
    for line in prose(text):
        if heading := _HEADING.match(line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
            name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            again = sum(1 for other in found if re.fullmatch(rf"{re.escape(name)}(-\d+)?", other))
            found.add(f"{name}-{again}" if again else name)
    return found


def run(page: Path) -> None:
    """Run the Python of a page, as a program would: in `__main__`."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main  # dataclasses and pickling look names up there
    found = blocks(page.read_text(encoding="utf-8"))
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True  # two versions of a file may have one size and one time
        for block, below in itertools.zip_longest(found, found[1:]):
            if block.file:
                _import(block.write(Path(folder)), folder)
            elif block.info == PYTHON:
                printed = _run(block, page, main.__dict__, runner)
                if below is not None and below.info == OUTPUT and below.follows:
                    _compare(printed, below, page)


def _import(path: Path, folder: str) -> None:
    """Import a Python file below a folder, again if it was imported before, together with what it imports."""
    if path.suffix == ".py":
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(folder):
                del sys.modules[name]
        words = path.relative_to(folder).with_suffix("").parts
        importlib.import_module(".".join(words).removesuffix(".__init__"))


def _run(block: Block, page: Path, namespace: dict[str, object], runner: asyncio.Runner) -> str:
    # Blank lines above, so that a traceback names the line of the page and shows it.
    source = "\n" * block.line + block.code
    code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = types.FunctionType(code, namespace)()
        if inspect.iscoroutine(result):
            runner.run(result)
    return printed.getvalue()


def _compare(printed: str, below: Block, page: Path) -> None:
    if _lines(printed) != _lines(below.code):
        raise AssertionError(
            f"{page}:{below.line}: the page says\n{below.code}\nbut this was printed:\n{printed}"
        )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


if __name__ == "__main__":
    run(Path(sys.argv[1]))
