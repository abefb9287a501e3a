"""What the tests share: a registry with one scripted tool that changes nothing, asked by many."""

import anyio

from toolcase import ExecutionContext, Registry
from toolcase.testing import Recorder, Script, current_clock

ADA, BOB = (ExecutionContext(scope_id="acme", principal_id=name) for name in ("ada", "bob"))


def host(script: Script, *used, **options) -> Registry:
    """A registry with these middleware around a read-only tool `t` that plays the script."""
    registry = Registry(clock=current_clock())
    registry.use(*used)
    registry.add(script.tool("t", **{"read_only": True, **options}))
    return registry


def watched(script: Script, *used, **options) -> tuple[Registry, Recorder]:
    """The same, with a recorder around it."""
    recorder = Recorder()
    return host(script, recorder, *used, **options), recorder


def told(recorder: Recorder) -> list[list[str]]:
    """For each call the names of the events that its observers were told."""
    return [[type(event).__name__ for event in record.events] for record in recorder.records]


async def at_once(verb, number: int) -> list:
    """What so many runs of it give, which begin in the same tick."""
    given = [None] * number

    async def run(place: int) -> None:
        given[place] = await verb()

    async with anyio.create_task_group() as tasks:
        for place in range(number):
            tasks.start_soon(run, place)
    return given


async def in_order(registry, number, *, name="t", verb="call", first=None, then=None) -> list:
    """What so many calls give that wait for one run, the first begun before the others."""
    given = [None] * number

    async def ask(place, **settings):
        given[place] = await getattr(registry, verb)(name, **settings)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ask(0, **(first or {})))
        await anyio.sleep(0.25)
        for place in range(1, number):
            tasks.start_soon(lambda place=place: ask(place, **(then or {})))
            await anyio.sleep(0.0625)
    return given
