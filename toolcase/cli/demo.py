"""`toolcase demo`: real tools over real data fail in real ways, and a summary of what that came to."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import click
import msgspec

from toolcase.cli import demo_crowd, demo_story, demo_stream
from toolcase.cli.demo_catalogue import fill
from toolcase.cli.demo_client import Client
from toolcase.cli.demo_crowd import Crowd, Trace
from toolcase.cli.demo_server import serving
from toolcase.cli.demo_stream import Chunks
from toolcase.cli.demo_watch import Watcher
from toolcase.cli.settings import Settings, json_option, print_json
from toolcase.registry import Registry


@click.command("demo")
@json_option
@click.pass_obj
def command(settings: Settings, as_json: bool) -> None:
    """Watch real tools fail and the middleware deal with it.

    It takes some seconds, uses a temporary folder, and no network but 127.0.0.1.
    """
    as_json = as_json or settings.json
    watcher = Watcher(_unsaid if as_json else click.echo)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="toolcase-demo-") as folder, _quiet_log():
        database = Path(folder).resolve() / "packages.sqlite"
        count = fill(database)
        faults = {**demo_story.faults(), **demo_crowd.faults(), **demo_stream.faults()}
        with serving(database, faults) as server:
            watcher.say(f"{count} packages in a SQLite file, a server at 127.0.0.1:{server.port}, and:")
            registry, client, trace = demo_story.empty(), Client(server.port), Trace()
            crowd = Crowd(registry, client, server, watcher)
            demo_story.furnish(registry, database, client, watcher)
            chunks = Chunks(registry, database, client, watcher)
            registry.use(*trace.middleware())
            watcher.say(str(registry))
            anyio.run(_play, registry, crowd, chunks, trace, watcher)
    summary = summarize(watcher, time.monotonic() - began)
    if as_json:
        rows = msgspec.to_builtins(watcher.rows)
        print_json({"calls": rows, "trace": trace.lines, "summary": msgspec.to_builtins(summary)})
    else:
        click.echo(f"\n{click.style('What the middleware came to', fg='cyan')}\n{summary.text()}")


async def _play(registry: Registry, crowd: Crowd, chunks: Chunks, trace: Trace, watcher: Watcher) -> None:
    await demo_story.play(registry, watcher)
    await crowd.play()
    await chunks.play()
    await trace.play(registry, watcher)


class Summary(msgspec.Struct, kw_only=True):
    """What the middleware came to, counted from what the watcher saw; times in seconds."""

    seconds: float
    calls: int
    ok: int
    saved_by_retries: int
    failures_retried: int
    hangs_cut_off: int
    hang_cut_after: float
    hang_without_limit: float
    refused_before_start: int
    circuits_opened: int
    turns_waited_for: int
    runs_shared: int
    effects_not_repeated: int
    faults_kept_from_callers: int

    def text(self) -> str:
        """The same in sentences."""
        return f"""\
  {self.calls} calls in {self.seconds:.1f} s, {self.ok} of them ok
  {self.failures_retried} failures turned into {self.saved_by_retries} successes by trying again
  {self.hangs_cut_off} hangs cut off after {self.hang_cut_after:.1f} s at most, instead of \
{self.hang_without_limit:.1f} s
  {self.refused_before_start} calls refused before the tool ran
  {self.circuits_opened} circuit opened, and closed when the tool was well again
  {self.turns_waited_for} calls waited for their turn, and had it
  {self.runs_shared} callers were given the value of a run that another had begun
  {self.effects_not_repeated} effect of unknown outcome not repeated
  {self.faults_kept_from_callers} fault of an observer kept from its caller"""


def summarize(watcher: Watcher, seconds: float) -> Summary:
    """Count."""
    rows = watcher.rows
    saved = [row for row in rows if row.outcome == "ok" and row.failures]
    hangs = [failure.seconds for row in rows for failure in row.failures if failure.timed_out]
    return Summary(
        seconds=seconds,
        calls=len(rows),
        ok=sum(row.outcome == "ok" for row in rows),
        saved_by_retries=len(saved),
        failures_retried=sum(len(row.failures) for row in saved),
        hangs_cut_off=len(hangs),
        hang_cut_after=max(hangs, default=0.0),
        # The threads left behind saw how long the server really kept its callers.
        hang_without_limit=max((row.thread_ended or 0.0 for row in rows), default=0.0),
        refused_before_start=sum(row.outcome != "ok" and row.attempts == 0 for row in rows),
        circuits_opened=sum(row.circuit.count("open") for row in rows),
        turns_waited_for=sum(row.waited > 0 for row in rows),
        runs_shared=sum(row.outcome == "ok" and row.attempts == 0 for row in rows),
        effects_not_repeated=sum(row.outcome_unknown for row in rows),
        faults_kept_from_callers=watcher.faults,
    )


def _unsaid(text: str) -> None:
    """Say nothing."""


@contextmanager
def _quiet_log() -> Iterator[None]:
    """The watcher tells what the registry reports, so the log need not."""
    log = logging.getLogger("toolcase")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
