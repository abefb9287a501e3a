"""`toolcase new plugin NAME`: the files of a distribution that offers something to every host."""

from __future__ import annotations

import re
import shlex
import tempfile
from importlib.metadata import version
from pathlib import Path
from string import Template

import click

from toolcase.cli.program import COMMANDS
from toolcase.cli.settings import Settings, print_json
from toolcase.plugins.installed import find

TEMPLATE = Path(__file__).with_name("plugin_template")
ENDING = ".tmpl"
"""Of the files there, so that no tool takes them for the code of toolcase itself."""


@click.group("new")
def command() -> None:
    """Write the files of something new."""


@command.command("plugin")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Where to; new, or empty. Without it, toolcase-NAME in the current folder.",
)
@click.pass_obj
def plugin(settings: Settings, name: str, folder: Path | None) -> None:
    """Write a plugin: a distribution with a tool, a middleware, a port, a command, settings and tests.

    NAME is lower case words joined by -, such as my-notes. Change what was written as you like.
    """
    _check(name)
    folder = Path(f"toolcase-{name}") if folder is None else folder
    texts = files(name)
    _write(texts, folder.resolve())
    if settings.json:
        print_json({"name": name, "folder": str(folder), "files": sorted(texts)})
        return
    click.echo(
        f"{folder} has {len(texts)} files; what the plugin offers stands in {_package(name)}/plugin.py"
    )
    click.echo(
        f"next:\n"
        f"  cd {shlex.quote(str(folder))}\n"
        f"  python -m pip install -e '.[test]'\n"
        f"  python -m pytest\n"
        f"  toolcase list"
    )


def _check(name: str) -> None:
    """A usage error for a name that cannot be one; a warning for one that is taken here."""
    likely = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    likely = likely.removeprefix("toolcase-").lstrip("-0123456789")
    if not name or name != likely:
        mend = f"; {likely!r} is one" if likely else ""
        raise click.UsageError(
            f"a plugin's name is lower case words joined by -, begins with a letter and leaves toolcase out, "
            f"got {name!r}{mend}"
        )
    if name in COMMANDS:
        raise click.UsageError(
            f"{name!r} is a command of toolcase, which would hide the plugin's; say another"
        )
    for found in find(lambda place, error: None):
        if found.entry.name == name:
            click.echo(f"Warning: {found} has a plugin {name!r} too; a host loads only one of them", err=True)


def _package(name: str) -> str:
    return f"toolcase_{name.replace('-', '_')}"


def files(name: str) -> dict[str, str]:
    """The text of each file of a plugin of this name, by its path."""
    words = {
        "name": name,
        "identifier": name.replace("-", "_"),
        "title": "".join(word.capitalize() for word in name.split("-")),
        "version": version("toolcase"),
    }
    texts = {}
    for file in sorted(TEMPLATE.rglob(f"*{ENDING}")):
        path = file.relative_to(TEMPLATE).as_posix().removesuffix(ENDING)
        path = re.sub("^package/", f"{_package(name)}/", path)
        texts[path] = Template(file.read_text("utf-8")).substitute(words)
    return texts


def _write(texts: dict[str, str], folder: Path) -> None:
    """All files or none: they are written elsewhere on the same disk, and then moved."""
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{str(folder)!r} is not empty; name another with --folder")
    if not folder.parent.is_dir():
        raise click.UsageError(f"there is no folder {str(folder.parent)!r}; make it first")
    place = folder if folder.exists() else folder.parent
    with tempfile.TemporaryDirectory(dir=place, prefix=".toolcase-") as elsewhere:
        for path, text in texts.items():
            file = Path(elsewhere, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        folder.mkdir(exist_ok=True)
        for entry in sorted(Path(elsewhere).iterdir()):
            entry.rename(folder / entry.name)
