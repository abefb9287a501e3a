"""`toolcase doctor`: what is wrong with the installation, the plugins and the app, and what mends it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import anyio
import click
import msgspec

from toolcase.cli.application import named
from toolcase.cli.children import Answer, ask
from toolcase.cli.doctor_tools import Check, Mark
from toolcase.cli.exits import Exit
from toolcase.cli.installed import present
from toolcase.cli.plugin_commands import clashes
from toolcase.cli.plugins import LEFT_OUT, LOADED, in_words
from toolcase.cli.program import COMMANDS
from toolcase.cli.settings import Settings, json_option, print_json
from toolcase.plain import printable
from toolcase.plugins.installed import DISABLE, LOAD, leave_out

_COLOURS = MappingProxyType({Mark.OK: "green", Mark.WARN: "yellow", Mark.ERROR: "red"})


@click.command("doctor")
@click.option(
    "--timeout",
    "limit",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long a plugin, or the app, may take to load.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, limit: int, as_json: bool) -> None:
    """Look for what is wrong, and what mends it.

    Plugins and app are loaded in child processes, so that one that hangs or dies is found, and named.
    The exit code is 1 if there is an error; warnings do not count.
    """
    settings: Settings = ctx.obj
    sections = {"Python": [*_python()], "Event loops": [*_event_loops()]}
    sections |= anyio.run(_foreign, settings, limit)
    checks = [check for section in sections.values() for check in section]
    errors, warnings = (sum(check.mark is mark for check in checks) for mark in (Mark.ERROR, Mark.WARN))
    if as_json or settings.json:
        print_json({"errors": errors, "warnings": warnings, "sections": msgspec.to_builtins(sections)})
    else:
        for section, found in sections.items():
            click.echo("\n".join([click.style(section, bold=True), *map(_line, found)]))
        click.echo(f"\nerrors: {errors}, warnings: {warnings}")
    ctx.exit(Exit.TOOL_ERROR if errors else Exit.OK)


def _line(check: Check) -> str:
    mend = f"; {check.mend}" if check.mend else ""
    said = f": {check.said}{mend}" if check.said else mend
    return f"  {click.style(check.mark.ljust(5), fg=_COLOURS[check.mark])}  {printable(check.about + said)}"


def _python() -> Iterator[Check]:
    kind = platform.python_implementation()
    here = f"Python {platform.python_version()} ({kind})"
    if kind == "CPython":
        yield Check(mark=Mark.OK, about=here)
    else:
        yield Check(mark=Mark.WARN, about=here, said="toolcase is tested on CPython only")
    yield Check(mark=Mark.OK, about=f"toolcase {version('toolcase')}")


def _event_loops() -> Iterator[Check]:
    yield Check(mark=Mark.OK, about=f"asyncio, through anyio {version('anyio')}")
    try:
        yield Check(mark=Mark.OK, about=f"trio {version('trio')}")
    except PackageNotFoundError:
        mend = "pip install 'toolcase[testing]' to run on it"
        yield Check(mark=Mark.OK, about="trio", said="it is not installed", mend=mend)


async def _foreign(settings: Settings, limit: int) -> dict[str, list[Check]]:
    """The plugins one by one, then together, then the app; without those that did not come back."""
    found = present()
    alone = await _each_alone([*found], limit)
    lost = {name: answer.fault for name, answer in alone.items() if not answer.came_back}
    others = {DISABLE: ",".join(filter(None, [os.environ.get(DISABLE), *lost]))}
    together = await ask("plugins", seconds=limit * max(1, len(alone)), env=others)
    plugins = [_lost(name, found[name], fault) for name, fault in lost.items()]
    plugins += [_lasting(name, found[name], each.data) for name, each in alone.items() if each.data]
    return {
        "Plugins": [*plugins, *_together(together, lost)] or [Check(mark=Mark.OK, about="none is installed")],
        "App": await _app(settings, limit, others),
    }


async def _each_alone(names: list[str], limit: int) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    room = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def load(name: str) -> None:
        async with room:
            answers[name] = await ask("threads", seconds=limit, env={LOAD: name})

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(load, name)
    return dict(sorted(answers.items()))


def _lost(name: str, distribution: str, fault: str) -> Check:
    mend = f"{leave_out(name)}, and tell its author"
    return Check(mark=Mark.ERROR, about=f"{name} ({distribution})", said=fault, mend=mend)


def _lasting(name: str, distribution: str, threads: list[str]) -> Check:
    said = f"it starts a thread that keeps every program from ending: {', '.join(threads)}"
    mend = "tell its author to start it in toolcase_lifespan, or as a daemon"
    return Check(mark=Mark.WARN, about=f"{name} ({distribution})", said=said, mend=mend)


def _together(answer: Answer, lost: dict[str, str]) -> Iterator[Check]:
    if answer.fault:
        mend = "" if answer.came_back else f"find out which, with {DISABLE}"
        yield Check(mark=Mark.ERROR, about="all together", said=answer.fault, mend=mend)
        return
    for row in answer.data:
        if row["name"] in lost and row["state"] == LEFT_OUT:
            continue  # by us
        about = f"{row['name']} ({row['distribution']})" if row["distribution"] else row["name"]
        if row["state"] in (LOADED, LEFT_OUT):
            yield Check(mark=Mark.OK, about=row["name"], said=click.unstyle(in_words(row)))
        else:
            yield Check(mark=Mark.ERROR, about=about, said=row["said"], mend=row["mend"])
    for clash in clashes(answer.data, COMMANDS):
        yield Check(mark=Mark.WARN, about=clash)


async def _app(settings: Settings, limit: int, env: dict[str, str]) -> list[Check]:
    try:
        name, _ = named(settings)
    except click.UsageError as error:
        return [Check(mark=Mark.ERROR, about="pyproject.toml", said=error.message)]
    if name is None:
        return [Check(mark=Mark.OK, about="none is named, so no tools were looked at")]
    answer = await ask("app", *filter(None, [settings.app]), seconds=limit, env=env)
    if answer.fault:
        return [Check(mark=Mark.ERROR, about=name, said=answer.fault)]
    found: Any = answer.data
    return msgspec.convert(found, list[Check])
