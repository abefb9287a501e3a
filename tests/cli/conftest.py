"""What tests of commands share: an app in the current folder, and a way to run the program in-process."""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from toolcase.cli import main
from toolcase.plugins.installed import find

APP = '''
"""An app with a tool for each way in which a call can end."""

import enum
from typing import Literal

from toolcase import ApprovalRequired, Denied, RateLimited, Registry, tool_from_schema
from toolcase.runtime import LoggingMiddleware, RetryMiddleware, TimeoutMiddleware

registry = Registry()
registry.use(LoggingMiddleware(), TimeoutMiddleware(5))
empty = Registry()
number = 5


class Size(enum.Enum):
    SMALL = "1"
    LARGE = "2"


@registry.tool(read_only=True, tags=["sums"], timeout=2, version="1.5")
def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Args:
        a: the first one
    """
    return a + b


@registry.tool(idempotent=False, destructive=False, max_concurrent=3)
async def echo(text: str = "", number: int | str | None = None, size: Size = Size.SMALL, any=None,
               note: str | None = None, mode: Literal["a", "b"] = "a", items: list[int] = []) -> dict:
    given = dict(text=text, number=number, size=size.value, any=any, note=note, mode=mode, items=items)
    return {key: value for key, value in given.items() if value not in (None, "", "1", "a", [])}


async def proxy(arguments):
    return arguments


registry.add(tool_from_schema(proxy, name="remote", input_schema={
    "properties": {"n": {"$ref": "#/definitions/n"}, "any": True, "yes": {"$ref": "#/definitions/yes"},
                   "either": {"anyOf": [True, {"type": "null"}]}},
    "definitions": {"n": {"type": "integer"}, "yes": True},
}))


@registry.tool
async def hello():
    return "hello"


@registry.tool
async def crash():
    raise RuntimeError("the disk is full")


@registry.tool
async def limited():
    raise RateLimited("too many", retry_after=2.5)


@registry.tool
async def calls_wrongly():
    return await registry.call("add", c=1)


@registry.tool(destructive=True)
async def forbidden():
    raise Denied("not for you")


@registry.tool
async def asks():
    raise ApprovalRequired("ask Ada")


@registry.tool
async def interrupted():
    raise KeyboardInterrupt


@registry.tool(idempotent=False, middleware=[RetryMiddleware()])
async def lost():
    raise ConnectionResetError("gone")


def make():
    return registry


def make_with(name):
    return registry


async def make_later():
    return registry
'''

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `app.py` in it; what the program imports and sets is undone afterwards."""
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("TOOLCASE_DEBUG", raising=False)
    monkeypatch.delenv("TOOLCASE_LOAD_PLUGINS", raising=False)
    real = ",".join(each.entry.name for each in find(lambda name, error: None))
    monkeypatch.setenv("TOOLCASE_DISABLE_PLUGINS", real)  # what is installed here is no matter of these tests
    modules, root = set(sys.modules), logging.getLogger()
    level, handlers = root.level, [*root.handlers]
    yield tmp_path
    for name in set(sys.modules) - modules:
        # Only those of the test: one of the installed packages must not be there twice.
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def run(folder: Path) -> Run:
    """Run the program with these words."""

    def run(*words: str, **settings: object) -> Result:
        return CliRunner().invoke(main, words, prog_name="toolcase", **settings)

    return run


@pytest.fixture
def app(run: Run) -> Run:
    """The same with `--app app:registry`."""
    return lambda *words, **settings: run("--app", "app:registry", *words, **settings)


Install = Callable[..., None]

HELLO = '''
"""A plugin that offers one of each."""

import contextlib
import sys

import toolcase


class Hello:
    def __init__(self):
        self.awake = False

    @toolcase.hookimpl
    def toolcase_plugin(self):
        return toolcase.PluginManifest(
            name="hello", version="1.0a", capabilities=["greeting"], description="It greets."
        )

    @toolcase.hookimpl
    def toolcase_tools(self):
        @toolcase.tool(read_only=True)
        def hello(name: str = "you") -> str:
            """Greet somebody.

            And say whether we are awake.
            """
            return f"hello {name}, {'awake' if self.awake else 'asleep'}"

        return [hello]

    @toolcase.hookimpl
    def toolcase_middleware(self):
        return {"polite": lambda: None}

    @toolcase.hookimpl
    def toolcase_ports(self):
        return [toolcase.PortFactory(kind="store", scheme="hello", open=str)]

    @toolcase.hookimpl
    def toolcase_commands(self):
        return [
            toolcase.Command(name="greet", target="hello_commands:greet", help="Greet on the terminal."),
            toolcase.Command(name="fails", target="hello_commands:fails"),
        ]

    @toolcase.hookimpl
    @contextlib.asynccontextmanager
    async def toolcase_lifespan(self):
        self.awake = True
        yield
'''

HELLO_COMMANDS = '''
"""Its command, as a third party writes one."""

import click

from toolcase.cli import Settings, load, print_json


@click.command()
@click.option("--loud", is_flag=True)
@click.pass_obj
def greet(settings: Settings, loud):
    """Greet on the terminal."""
    told = {"app": settings.app, "debug": settings.debug, "tools": load(settings).names()}
    print_json(told) if settings.json else click.echo("HELLO" if loud else "hello")


@click.command()
def fails():
    raise RuntimeError("no voice")
'''


@pytest.fixture
def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin of one module, for this process and its children."""
    site = folder / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)

    def install(name: str, code: str, *, requires: str = "", entry: str = "") -> None:
        (site / f"{name}.py").write_text(code)
        info = site / f"toolcase_{name}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: toolcase-{name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata + (requires and f"Requires-Dist: {requires}\n"))
        (info / "entry_points.txt").write_text(f"[toolcase]\n{name} = {entry or name}\n")
        importlib.invalidate_caches()

    return install


@pytest.fixture
def hello(install: Install, folder: Path) -> None:
    """A plugin that offers one of each is installed."""
    install("hello", HELLO, entry="hello:Hello")
    (folder / "site" / "hello_commands.py").write_text(HELLO_COMMANDS)
