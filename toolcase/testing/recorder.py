"""An observer that keeps what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from toolcase.call import Call, Inner, Stage
from toolcase.events import Event


@dataclass(slots=True)
class Record:
    """One call as an observer saw it."""

    call: Call
    events: list[Event] = field(default_factory=list)
    value: Any = None
    error: BaseException | None = None
    ended: bool = False

    @property
    def tool(self) -> str:
        """The name that was called."""
        return self.call.name


@dataclass(slots=True, eq=False)
class Recorder:
    """Keeps a record of every call, in the order in which they started. `limit` bounds how many."""

    limit: int = 10_000
    records: list[Record] = field(default_factory=list)
    stage: ClassVar[Stage] = Stage.OBSERVE

    async def __call__(self, call: Call, inner: Inner) -> Any:
        record = Record(call)
        call.state[self] = record
        self.records.append(record)
        del self.records[: -self.limit]
        try:
            record.value = await inner(call)
        except BaseException as error:
            record.error = error
            raise
        finally:
            record.ended = True
        return record.value

    def on_event(self, call: Call, event: Event) -> None:
        """Keep the event with its call."""
        call.state[self].events.append(event)

    @property
    def tools(self) -> list[str]:
        """The names that were called, in order."""
        return [record.tool for record in self.records]
