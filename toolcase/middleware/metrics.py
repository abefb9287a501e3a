"""How often tools are called, how it ends, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from opentelemetry import metrics

from toolcase.call import Call, Host, Inner, Stage
from toolcase.clock import count, current_loop, reader
from toolcase.errors import code_of, lone
from toolcase.events import CallAdmitted, CallRejected, CircuitChanged, Event, UsageReported
from toolcase.observability import names
from toolcase.observability.providers import Watch
from toolcase.observability.tally import Tally, ToolMetrics

CLOSED = "closed"


@dataclass(slots=True, eq=False)
class MetricsMiddleware:
    """Count calls by tool and outcome, with quantiles of their durations: see `snapshot`.

    Where OpenTelemetry has a meter provider, `meter_provider` or the global one, its instruments are told
    too; a global one that is set later is noticed within 0.1 s. Tools beyond the first `most_tools`, and
    names that are no tool, are counted together as `_OTHER`. No arguments, keys or principals, only names and
    codes. For the registries of one event loop; `snapshot` is for any thread.
    """

    meter_provider: metrics.MeterProvider | None = None
    most_tools: int = 1_000
    stage: ClassVar[Stage] = Stage.OBSERVE
    # The one event loop writes all of it; the dict only grows, and readers copy it first.
    _tallies: dict[str, Tally] = field(default_factory=dict, init=False, repr=False)
    _host: Host | None = field(default=None, init=False, repr=False)
    _loop: Any = field(default=None, init=False, repr=False)
    _now: Callable[[], float] = field(default=float, init=False, repr=False)
    _watch: Watch[metrics.MeterProvider] = field(init=False, repr=False)
    _instruments: _Instruments | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        count(self.most_tools, "most_tools")
        self._watch = Watch(self.meter_provider, metrics.get_meter_provider)

    async def __call__(self, call: Call, inner: Inner) -> Any:
        try:
            value = await inner(call)
        except Exception as error:
            self._failed(call, error)
            raise
        except BaseException:
            self._left(call)
            raise
        now, tally = self._ended(call)
        seconds = now - call.info.started
        tally.ok += 1
        tally.took(seconds, now)
        if self._instruments is not None:
            self._instruments.took(tally.tool, seconds, None)
        return value

    def snapshot(self) -> dict[str, ToolMetrics]:
        """What is known of each tool that was called, by its name; from any thread."""
        now = self._time()
        return {name: tally.read(now) for name, tally in self._tallies.copy().items()}

    def on_event(self, call: Call, event: Event) -> None:
        """Count what happens on a call's way."""
        tally = self._tallies.get(call.name) or self._tally(call)
        if isinstance(event, CallAdmitted):
            tally.waited += event.waited
        elif isinstance(event, CallRejected):
            tally.rejected += 1
        if self._instruments is None:
            self._look(call.info.started)
        if self._instruments is not None:
            self._instruments.happened(tally.tool, event)

    def _failed(self, call: Call, error: Exception) -> None:
        now, tally = self._ended(call)
        seconds = now - call.info.started
        code = code_of(lone(error)).value
        tally.errors[code] = tally.errors.get(code, 0) + 1
        tally.took(seconds, now)
        if self._instruments is not None:
            self._instruments.took(tally.tool, seconds, names.error_type(error))

    def _left(self, call: Call) -> None:
        now, tally = self._ended(call)
        tally.left(now)
        if self._instruments is not None:
            self._instruments.cancelled.add(1, {names.TOOL_NAME: tally.tool})

    def _ended(self, call: Call) -> tuple[float, Tally]:
        """When it was, and the tally of its tool."""
        host, attempts = call.host, call.info.attempts
        if host is not self._host or host.loop is not self._loop:
            self._host, self._loop, self._now = host, host.loop, reader(host.clock, host.loop)
        now, tally = self._now(), self._tallies.get(call.name) or self._tally(call)
        tally.attempts += attempts
        if self._instruments is None:
            watch = self._watch
            if not watch.since <= now < watch.until:
                self._look(now)
        if self._instruments is not None and attempts:
            self._instruments.attempts.add(attempts, {names.TOOL_NAME: tally.tool})
        return now, tally

    def _tally(self, call: Call) -> Tally:
        """A new one, where there is room for it."""
        name = call.name
        if call.tool is None or len(self._tallies) >= self.most_tools:
            name = names.OTHER
        return self._tallies.setdefault(name, Tally(name))

    def _look(self, now: float) -> None:
        provider = self._watch.look(now)
        if provider is not None:
            self._instruments = _Instruments(provider.get_meter(names.SCOPE))

    def _time(self) -> float | None:
        """Now, on the clock of the calls; None where it cannot be read: from outside a loop of trio's."""
        host = self._host
        if host is None:
            return None
        try:
            current_loop()
        except RuntimeError:
            return None if self._now == host.clock.monotonic else self._now()
        return self._now()


class _Instruments:
    """Those of OpenTelemetry. To tell one costs about 6 us, so each call tells two."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._duration = meter.create_histogram(
            names.DURATION,
            unit="s",
            description="The duration of a single tool execution.",
            explicit_bucket_boundaries_advisory=names.DURATION_SECONDS,
        )
        self._queue = meter.create_histogram(
            names.QUEUE_DURATION,
            unit="s",
            description="How long a call stood in the queue of a bulkhead or a rate limit.",
            explicit_bucket_boundaries_advisory=names.DURATION_SECONDS,
        )
        counter = meter.create_counter
        self.attempts = counter(names.ATTEMPTS_STARTED, "{attempt}", "How often tools were started.")
        self.cancelled = counter(names.CALLS_CANCELLED, "{call}", "Calls that their caller left.")
        self._rejections = counter(names.REJECTIONS, "{rejection}", "Calls and attempts that were refused.")
        self._changes = counter(
            names.CIRCUIT_CHANGES, "{change}", "Changes of circuit breakers, by new state."
        )
        self._tokens = counter(names.TOKENS, "{token}", "Tokens that tools said they had used.")
        # Each change moves one circuit, so that breakers of several registries add up.
        self._circuits = meter.create_up_down_counter(
            names.CIRCUITS, "{circuit}", "Circuits that are not closed, by state."
        )

    def took(self, tool: str, seconds: float, error: str | None) -> None:
        """A call ended by itself."""
        attributes = {names.TOOL_NAME: tool}
        if error is not None:
            attributes[names.ERROR_TYPE] = error
        self._duration.record(seconds, attributes)

    def happened(self, tool: str, event: Event) -> None:
        """Something happened on its way."""
        where = {names.TOOL_NAME: tool}
        if isinstance(event, CallAdmitted):
            self._queue.record(event.waited, where | {names.MIDDLEWARE: type(event.middleware).__name__})
        elif isinstance(event, CallRejected):
            refused = {names.MIDDLEWARE: type(event.middleware).__name__}
            self._rejections.add(1, where | refused | {names.ERROR_TYPE: names.error_type(event.error)})
        elif isinstance(event, CircuitChanged):
            self._changes.add(1, where | {names.CIRCUIT_STATE: event.after})
            for state, moved in ((event.before, -1), (event.after, 1)):
                if state != CLOSED:
                    self._circuits.add(moved, where | {names.CIRCUIT_STATE: state})
        elif isinstance(event, UsageReported) and event.tokens:
            self._tokens.add(event.tokens, where)
