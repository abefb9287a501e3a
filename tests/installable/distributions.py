"""Distributions with plugins, healthy and broken ones, written out as an installer leaves them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shipped:
    """A distribution `NAME 1.0` with one module `tc_NAME`, and what is to be said of it if it is broken."""

    name: str
    code: str
    entry: str = ""
    """The name of its entry point, if it is another than that of the distribution."""
    value: str = ""
    """What the entry point names, if it is not the module."""
    requires: tuple[str, ...] = ()
    during: str = ""
    said: str = ""
    mend: str = ""
    """Words of it; that it can be left out is told of each."""

    @property
    def module(self) -> str:
        return f"tc_{self.name.replace('-', '_')}"

    @property
    def plugin(self) -> str:
        return self.entry or self.name

    def files(self) -> dict[str, str]:
        """By path, as in a wheel."""
        info = f"{self.name.replace('-', '_')}-1.0.dist-info"
        requires = "".join(f"Requires-Dist: {line}\n" for line in self.requires)
        return {
            f"{self.module}.py": self.code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1.0\n{requires}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[toolcase]\n{self.plugin} = {self.value or self.module}\n",
        }

    def install(self, site: Path) -> None:
        """Write it where Python looks."""
        files = self.files()
        (info,) = {path.split("/")[0] for path in files if "/" in path}
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, encoding="utf-8")

    def wheel(self, folder: Path) -> Path:
        """The same as a wheel, which any installer takes."""
        files = self.files()
        (info,) = {path.split("/")[0] for path in files if "/" in path}
        record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
        built = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
        with zipfile.ZipFile(built, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return built


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


GREETS = Shipped(
    "greets",
    """\
from toolcase import hookimpl

@hookimpl
def toolcase_tools():
    def greet(name: str) -> str:
        return f"hello {name}"
    return [greet]
""",
)

COUNTS = Shipped(
    "counts",
    """\
from toolcase import Plugin, PluginManifest, PluginType

class Counts(Plugin):
    manifest = PluginManifest(name="counts", version="1.0", plugin_type=PluginType.TOOLS)

    def __init__(self):
        self.open = False

    async def initialize(self, context):
        self.open = True

    async def shutdown(self):
        self.open = False

    def get_tools(self):
        def count(items: list[str]) -> int:
            assert self.open
            return len(items)
        return [count]
""",
    value="tc_counts:Counts",
)

GUARDS = Shipped(
    "guards",
    """\
from toolcase import hookimpl

def polite(**settings):
    async def guard(call, inner):
        return await inner(call)
    return guard

class Guards:
    @hookimpl
    def toolcase_middleware(self):
        return {"polite": polite}

guards = Guards()
""",
    value="tc_guards:guards",
)

HEALTHY = (COUNTS, GREETS, GUARDS)
CALLS = {"greet": ({"name": "Ada"}, "hello Ada"), "count": ({"items": ["a", "b"]}, 2)}
"""The tools of the healthy ones, each with arguments and what it gives for them."""

_TOOLS = """\
from toolcase import hookimpl

@hookimpl
def toolcase_tools():
    {}
"""

BROKEN = (
    Shipped(
        "import-error",
        "from json import nothing_of_this_name\n",
        during="load",
        said="ImportError: cannot import name 'nothing_of_this_name' from 'json'",
        mend="pip install --upgrade import-error",
    ),
    Shipped(
        "missing-dependency",
        "import tc_absent.client\n",
        requires=("pluggy", "TC.Absent (>=2,<3)"),
        during="load",
        said="ModuleNotFoundError: No module named 'tc_absent'",
        mend="pip install 'TC.Absent(>=2,<3)'",
    ),
    Shipped(
        "syntax-error",
        "def broken(:\n",
        during="load",
        said="SyntaxError: invalid syntax (tc_syntax_error.py, line 1)",
        mend="pip install --upgrade syntax-error",
    ),
    Shipped(
        "exits",
        "raise SystemExit(3)\n",
        during="load",
        said="SystemExit: 3",
        mend="tell its author that it ends the program",
    ),
    Shipped(
        "wrong-type",
        "plugin = 42\n",
        value="tc_wrong_type:plugin",
        during="load",
        said="42 has no hooks",
        mend="name a module, class or object with @hookimpl",
    ),
    Shipped(
        "wrong-version",
        """\
from toolcase import PluginManifest, hookimpl

@hookimpl
def toolcase_plugin():
    return PluginManifest(name="wrong-version", api_version=2)
""",
        during="load",
        said="it is written for hooks of version 2, and here is version 1",
        mend="pip install --upgrade toolcase",
    ),
    Shipped(
        "raises",
        _TOOLS.format("raise RuntimeError('no luck')"),
        during="hooks",
        said="RuntimeError: no luck",
        mend="pip install --upgrade raises",
    ),
    Shipped(
        "twin-of-greets",
        _TOOLS.format("return []"),
        entry="greets",
        during="load",
        said="greets 1.0 has it too, as 'greets'",
        mend="keep one of the two",
    ),
    Shipped(
        "tool-of-another",
        _TOOLS.format("def greet(): ...\n    return [greet]"),
        during="hooks",
        said="it offers tool 'greet', as plugin 'greets' does",
        mend="keep one of the two",
    ),
    Shipped(
        "wrong-manifest",
        """\
from toolcase import PluginManifest, hookimpl

@hookimpl
def toolcase_plugin():
    return PluginManifest(name="wrong-manifest", plugin_type="toys")
""",
        during="load",
        said="ValueError: plugin_type cannot be 'toys': Invalid enum value 'toys'",
        mend="pip install --upgrade wrong-manifest",
    ),
    Shipped(
        "fails-to-stop",
        """\
from toolcase import Plugin, PluginManifest

class Fails(Plugin):
    manifest = PluginManifest(name="fails-to-stop")

    async def shutdown(self):
        raise ConnectionError("the other end has gone")
""",
        value="tc_fails_to_stop:Fails",
        during="stop",
        said="ConnectionError: the other end has gone",
        mend="pip install --upgrade fails-to-stop",
    ),
)
"""Eleven; `BLOCKS` is the twelfth."""

BLOCKS = Shipped("blocks", "import threading\n\nthreading.Event().wait()\n")
"""Never ends to load."""
