"""What no file does: run text as code, read clocks of its own, keep state in a module, name our machines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.source import PRODUCT, ROOT, dotted, files, imported_names, python_files, shown, tree

PRODUCT_FILES = python_files(*PRODUCT)
CORE_FILES = python_files("toolcase")
TEST_FILES = [path for path in python_files("tests", "plugins", "contrib") if path.name.startswith("test_")]

RUN_DATA_AS_CODE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
"""Modules that run what they read."""

RUN_TEXT_AS_CODE = {
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "yaml.full_load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
}

CLOCKS = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.clock_gettime",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.process_time",
    "time.sleep",
    "time.time",
    "time.time_ns",
    "trio.current_time",
}
CLOCK_OF_THE_LOOP = {"time", "current_time"}
READ_CLOCKS = {"toolcase/clock.py"}
"""And `testing` and `cli`, which are not in a call's way."""
READ_THE_LOOP = {"toolcase/clock.py", "toolcase/pace.py", "toolcase/timer.py"}

DISPLAYS = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
MUTABLE = {
    "array.array",
    "bytearray",
    "collections.ChainMap",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "dict",
    "functools.cache",
    "functools.lru_cache",
    "itertools.count",
    "itertools.cycle",
    "list",
    "queue.Queue",
    "queue.SimpleQueue",
    "set",
    "threading.Condition",
    "threading.Event",
    "threading.Lock",
    "threading.RLock",
    "threading.Semaphore",
    "threading.local",
    "weakref.WeakKeyDictionary",
    "weakref.WeakSet",
    "weakref.WeakValueDictionary",
}

# Put together here, so that this file does not contain what it looks for.
REGISTRIES = [".".join(parts) for parts in (("pypi", "org"), ("npmjs", "org"), ("deb", "debian"))]
REGISTRIES.append("python" + "hosted")
FOLDERS = [f"/{name}/" for name in ("work", "farm", "root")]
OURS_ALONE = re.compile("|".join([*map(re.escape, REGISTRIES), rf"(?<![\w.~)\]}}])({'|'.join(FOLDERS)})"]))


@pytest.mark.parametrize("path", PRODUCT_FILES, ids=shown)
def test_nothing_runs_data_as_code(path: Path) -> None:
    assert not list(code_from_data(tree(path))), shown(path)


@pytest.mark.parametrize("path", CORE_FILES, ids=shown)
def test_the_core_asks_its_clock(path: Path) -> None:
    name, folder = shown(path), path.relative_to(ROOT).parts[1]
    if name in READ_CLOCKS or folder in ("testing", "cli"):
        return

    found = [place for place, clock in clocks(tree(path)) if name not in READ_THE_LOOP or clock in CLOCKS]

    assert not found, (
        f"{name}, lines {found}: ask the host's clock (call.host.clock), so that tests can move it"
    )


@pytest.mark.parametrize("path", CORE_FILES, ids=shown)
def test_no_module_holds_state(path: Path) -> None:
    found = list(state(tree(path)))

    assert not found, (
        f"{shown(path)}: {'; '.join(found)}: keep state in an object that somebody made and owns; "
        "write a constant table as MappingProxyType({...}), frozenset({...}) or a tuple"
    )


@pytest.mark.parametrize("path", TEST_FILES, ids=shown)
def test_no_test_sleeps(path: Path) -> None:
    lines = list(sleeps(tree(path)))

    assert not lines, (
        f"{shown(path)}, lines {lines}: time.sleep makes a test slow and flaky; wait for an event, "
        "use virtual time, or mark the test real_time"
    )


@pytest.mark.parametrize("path", files(), ids=shown)
def test_no_file_names_our_machines(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # an image

    found = [
        f"line {number}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := OURS_ALONE.search(line))
    ]

    assert not found, f"{shown(path)}: {'; '.join(found)}"


def code_from_data(root: ast.Module) -> Iterator[str]:
    """Where text or data is run as code."""
    names = imported_names(root)
    for name in names.values():
        if name.partition(".")[0] in RUN_DATA_AS_CODE:
            yield f"import of {name}"
    for node in ast.walk(root):
        if isinstance(node, ast.Call):
            if (called := _named(node, names)) in RUN_TEXT_AS_CODE:
                yield f"line {node.lineno}: {called}"
            if any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords):
                yield f"line {node.lineno}: shell="


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def clocks(root: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a clock is named, called or not, and which; a loop's own as `time` or `current_time`."""
    names = imported_names(root)
    for node in ast.walk(root):
        if isinstance(node, ast.Name | ast.Attribute) and (name := dotted(node, names)) in CLOCKS:
            yield node.lineno, name
        elif isinstance(node, ast.Call) and not dotted(node.func, names):
            name = getattr(node.func, "attr", "")
            if name in CLOCK_OF_THE_LOOP:
                yield node.lineno, name


def state(root: ast.Module) -> Iterator[str]:
    """What a module, or a class in it, keeps that could change for everybody.

    A function without parameters may be cached: that is a constant, made late. The fields of a record may
    have a list for a default: dataclasses refuse that, and msgspec gives each record a list of its own.
    """
    names = imported_names(root)
    for node in _outside_functions(root):
        if isinstance(node, ast.Assign) and _can_change(node.value, names):
            yield f"line {node.lineno}: {ast.unparse(node.targets[0])}"
        elif isinstance(node, ast.AnnAssign) and _can_change(node.value, names):
            if node in root.body or "ClassVar" in ast.unparse(node.annotation):
                yield f"line {node.lineno}: {ast.unparse(node.target)}"
        elif isinstance(node, ast.FunctionDef) and ast.unparse(node.args):
            cached = [found for found in node.decorator_list if _named(found, names) in MUTABLE]
            yield from (f"line {node.lineno}: @{ast.unparse(found)} of {node.name}" for found in cached)
    yield from (
        f"line {node.lineno}: {ast.unparse(node)}" for node in ast.walk(root) if type(node) is ast.Global
    )


def _outside_functions(root: ast.Module | ast.ClassDef | ast.If | ast.Try) -> Iterator[ast.stmt]:
    for statement in root.body:
        yield statement
        if isinstance(statement, ast.ClassDef | ast.If | ast.Try):
            yield from _outside_functions(statement)


def _can_change(value: ast.expr | None, names: dict[str, str]) -> bool:
    return isinstance(value, DISPLAYS) or (isinstance(value, ast.Call) and _named(value, names) in MUTABLE)


def _named(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of what is called, or of the expression itself; a built-in's own."""
    called = node.func if isinstance(node, ast.Call) else node
    return dotted(called, names) or (called.id if isinstance(called, ast.Name) else "")


def sleeps(root: ast.Module) -> Iterator[int]:
    """Where a test that is not marked real_time names time.sleep."""
    names = imported_names(root)
    if not any(_marks_real_time(node) for node in root.body if isinstance(node, ast.Assign)):
        yield from _sleeps(root, names)


def _sleeps(node: ast.AST, names: dict[str, str]) -> Iterator[int]:
    for child in ast.iter_child_nodes(node):
        marked = any(map(_marks_real_time, getattr(child, "decorator_list", ())))
        if isinstance(child, ast.Name | ast.Attribute) and dotted(child, names) == "time.sleep":
            yield child.lineno
        elif not marked:
            yield from _sleeps(child, names)


def _marks_real_time(node: ast.AST) -> bool:
    return any(isinstance(found, ast.Attribute) and found.attr == "real_time" for found in ast.walk(node))


# The rules themselves


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from shelve import open",
        "eval(text)",
        "import yaml as y\ny.load(text)",
        "run(line, shell=True)",
        "from os import system as run\nrun(line)",
    ],
)
def test_knows_what_runs_data_as_code(text: str) -> None:
    assert list(code_from_data(ast.parse(text)))


def test_knows_what_runs_nothing() -> None:
    text = "import yaml\nyaml.safe_load(text)\nrun(line, shell=False)\nself.eval(x)\nre.compile(x)"

    assert not list(code_from_data(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "from time import monotonic as now\nfield(default_factory=now)",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "import datetime as d\nd.datetime.utcnow()",
        "loop.time()",
    ],
)
def test_knows_a_clock(text: str) -> None:
    assert list(clocks(ast.parse(text)))


def test_a_clock_that_is_handed_in_is_none_of_its_own() -> None:
    assert not list(clocks(ast.parse("import time\nclock.monotonic()\nself.time\nx: time.struct_time")))


@pytest.mark.parametrize(
    "text",
    [
        "seen = []",
        "TABLE: dict[str, int] = {'a': 1}",
        "from collections import deque\nlast = deque()",
        "class A:\n    seen = set()",
        "class A:\n    seen: ClassVar[set[int]] = set()",
        "import functools\n@functools.lru_cache(maxsize=1)\ndef f(x): ...",
        "def f():\n    global x\n    x = 1",
        "if True:\n    x = {1}",
    ],
)
def test_knows_state_in_a_module(text: str) -> None:
    assert list(state(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "A = MappingProxyType({'a': 1})",
        "A = frozenset({1})",
        "A = (1, 2)",
        "A = ContextVar('a')",
        "def f():\n    x = []",
        "class A(Struct):\n    seen: list[int] = []",
        "import functools\n@functools.cache\ndef f(): ...",
    ],
)
def test_knows_a_constant(text: str) -> None:
    assert not list(state(ast.parse(text)))


def test_knows_a_sleep_outside_of_real_time() -> None:
    text = """
import time
@pytest.mark.real_time
async def test_a():
    time.sleep(1)
def test_b():
    def tool():
        time.sleep(1)
"""

    assert list(sleeps(ast.parse(text))) == [8]


@pytest.mark.parametrize("text", [*REGISTRIES, *(f"see {folder}x" for folder in FOLDERS)])
def test_knows_our_machines(text: str) -> None:
    assert OURS_ALONE.search(text)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_relative_path_is_nobodys_machine(folder: str) -> None:
    assert not OURS_ALONE.search(f"src{folder}x .{folder}x $HOME{folder}x")
