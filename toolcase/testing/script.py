"""Tools that do what a test says, step by step, and remember how they were started."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import anyio

from toolcase.timer import shielded
from toolcase.tool import Tool
from toolcase.tool_options import ToolOptions


@dataclass(frozen=True, slots=True)
class Give:
    """End with a value, after some seconds."""

    value: Any = None
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """End with an error, after some seconds."""

    error: BaseException
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Never end; where cancelled, take `cleanup` more seconds to stop."""

    cleanup: float = 0.0


Step = Give | Fail | Hang


class Script:
    """A tool whose first run does the first step, whose second run the second, and all further ones the last.

    `tool` is an async function that takes any arguments, unless `options` say otherwise.
    """

    def __init__(self, *steps: Step) -> None:
        if not steps:
            raise ValueError("a script needs at least one step, for example Give(1)")
        self.steps = steps
        self.starts: list[dict[str, Any]] = []
        """The arguments of each run, in the order of starting."""
        self.cancelled = 0
        """How many runs were cancelled."""
        self.running = 0
        """How many runs have not ended."""

    def tool(self, name: str = "scripted", **options: Any) -> Tool[..., Any]:
        """A tool that plays this script."""

        async def scripted(**arguments: Any) -> Any:
            return await self.play(arguments)

        return Tool(scripted, ToolOptions(name=name, **options))

    async def play(self, arguments: dict[str, Any]) -> Any:
        """Do the next step."""
        step = self.steps[min(len(self.starts), len(self.steps) - 1)]
        self.starts.append(arguments)
        self.running += 1
        try:
            return await play(step)
        except BaseException as error:
            self.cancelled += not isinstance(error, Exception)
            raise
        finally:
            self.running -= 1


async def play(step: Step) -> Any:
    """Do what the step says."""
    match step:
        case Give(value, after):
            await _sleep(after)
            return value
        case Fail(error, after):
            await _sleep(after)
            raise error
        case Hang(cleanup):
            try:
                await anyio.sleep(math.inf)
            finally:
                with shielded(math.inf):
                    await _sleep(cleanup)


async def _sleep(seconds: float) -> None:
    if seconds:  # a step that takes no time does not suspend
        await anyio.sleep(seconds)
