"""Some of a registry's tools, with a fixed context and limit of time."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Protocol

from toolcase.blocking import Blocking, Verbs
from toolcase.call import Call, Inner
from toolcase.catalogue import unknown
from toolcase.chain import run_chain
from toolcase.clock import seconds
from toolcase.context import ExecutionContext, smaller
from toolcase.outcome import outcome_of
from toolcase.result import ToolResult
from toolcase.schema import Arguments
from toolcase.tool import Tool
from toolcase.tool_stream import ToolStream


class Runs(Verbs, Protocol):
    """What a view needs of the registry that runs its calls."""

    def blocking(self, *, backend: str = "asyncio") -> Blocking: ...
    @property
    def _begin(self) -> Callable[..., tuple[Call, Inner]]: ...
    @property
    def _most_bytes(self) -> float: ...
    def _has(self, name: str) -> Tool[..., Any] | None: ...


class View:
    """Some of a registry's tools, with a fixed context and limit; made by `Registry.view`.

    It follows what is added, removed and switched off. A view of a view sees what both see, with the
    smaller limit, and with the context of the inner one if that has none of its own.
    """

    def __init__(
        self,
        registry: Runs,
        *,
        only: str | Collection[str] = "*",
        tags: Iterable[str] = (),
        context: ExecutionContext | None = None,
        timeout: float | None = None,
        within: View | None = None,
    ) -> None:
        if timeout is not None:
            seconds(timeout, "timeout")
        self._registry, self._within = registry, within
        self._only = (only,) if isinstance(only, str) else tuple(only)
        self._tags = frozenset((tags,) if isinstance(tags, str) else tags)
        self._context, self._timeout = context, timeout
        if within is not None:
            self._context = context or within._context
            self._timeout = smaller(timeout, within._timeout)

    def sees(self, tool: Tool[..., Any]) -> bool:
        """Whether its name matches one of the patterns and it has every one of the tags."""
        return (
            self._tags <= tool.tags
            and any(fnmatch.fnmatchcase(tool.name, only) for only in self._only)
            and (self._within is None or self._within.sees(tool))
        )

    def has(self, name: str) -> bool:
        """Whether a tool of that name is seen here, a disabled one too."""
        tool = self._registry._has(name)
        return tool is not None and self.sees(tool)

    def get(self, name: str) -> Tool[..., Any]:
        """The tool of that name; UnknownTool if this view has none."""
        if not self.has(name):
            raise unknown(name, self.names())
        return self._registry.get(name)

    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]:
        """As `Registry.tools`, within this view."""
        return [tool for tool in self._registry.tools(tag=tag, matching=matching) if self.sees(tool)]

    def names(self, *, tag: str | None = None, matching: str = "*") -> list[str]:
        """The names of `tools`."""
        return [tool.name for tool in self.tools(tag=tag, matching=matching)]

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """As `Registry.call`, within this view."""
        return await run_chain(*self._begin(name, arguments, timeout=self._timeout))

    async def execute(
        self,
        name: str,
        arguments: Arguments | None = None,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> ToolResult:
        """As `Registry.execute`, within this view; the smaller of both limits holds."""
        limit = smaller(timeout, self._timeout)
        begun = self._begin(name, arguments, timeout=limit, idempotency_key=idempotency_key)
        return await outcome_of(*begun, self._registry._most_bytes)

    def stream(self, name: str, /, **arguments: Any) -> ToolStream:
        """As `Registry.stream`, within this view."""
        return self.stream_execute(name, arguments)

    def stream_execute(
        self,
        name: str,
        arguments: Arguments | None = None,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        buffer: int | None = None,
    ) -> ToolStream:
        """As `Registry.stream_execute`, within this view; the smaller of both limits holds."""
        limit = smaller(timeout if timeout is None else seconds(timeout, "timeout"), self._timeout)
        begin = partial(self._begin, name, arguments, timeout=limit, idempotency_key=idempotency_key)
        return ToolStream(name, begin, most_bytes=self._registry._most_bytes, buffer=buffer)

    def _begin(self, name: str, given: Arguments | None, **settings: Any) -> tuple[Call, Inner]:
        return self._registry._begin(name, given, context=self._context, view=self, **settings)

    def view(
        self,
        *,
        only: str | Collection[str] = "*",
        tags: Iterable[str] = (),
        context: ExecutionContext | None = None,
        timeout: float | None = None,
    ) -> View:
        """A view of this view."""
        return View(self._registry, only=only, tags=tags, context=context, timeout=timeout, within=self)

    def blocking(self, *, backend: str = "asyncio") -> Blocking:
        """As `Registry.blocking`, within this view."""
        return self._registry.blocking(backend=backend).of(self)
