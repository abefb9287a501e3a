"""The breaker around a tool: what counts, who is refused and in which words, and what is told of it."""

import asyncio
import math
import threading

import anyio
import pytest

from toolcase import (
    CancellationToken,
    CircuitOpen,
    Denied,
    ErrorCode,
    ExecutionContext,
    InvalidArguments,
    InvalidResult,
    Overloaded,
    RateLimited,
    Registry,
    RunCancelled,
    Stage,
    ToolFailed,
    ToolTimeout,
    Unavailable,
    tool,
)
from toolcase.chunk import StreamStopped
from toolcase.events import CallRejected, CircuitChanged, MiddlewareFailed
from toolcase.runtime import (
    CircuitBreakerMiddleware,
    CircuitState,
    RetryMiddleware,
    TimeoutMiddleware,
    by_scope,
    compose,
)
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock


class Breaking:
    """A registry with a breaker around one scripted tool, and all that is told."""

    def __init__(self, *steps, inside=(), options=None, **settings):
        self.told, self.faults, self.recorder = [], [], Recorder()
        settings = {"failure_threshold": 1, "on_change": self.told.append, **settings}
        self.breaker = CircuitBreakerMiddleware(**settings)
        self.registry = Registry(clock=current_clock())
        self.registry.use(self.recorder, self.breaker, *inside)
        self.registry.on_event(self.faults.append)
        self.script = Script(*steps)
        self.registry.add(self.script.tool("t", **options or {}))

    async def run(self, times=1, **arguments):
        """The last of so many results."""
        for _ in range(times):
            result = await self.registry.execute("t", **arguments)
        return result

    @property
    def state(self):
        return self.breaker.state("t").value

    @property
    def changes(self):
        return [(change.before, change.after) for change in self.told]


DOWN = Fail(ConnectionError("the password is 1234"))


@tool
async def rude() -> None:
    """Makes an error of its cancellation."""
    try:
        await anyio.sleep(99)
    finally:
        raise ConnectionError("could not say goodbye")


async def test_a_value_passes():
    assert (await Breaking(Give(7)).run()).value == 7


async def test_an_error_passes_as_it_is():
    breaking = Breaking(DOWN)

    with pytest.raises(ConnectionError) as caught:
        await breaking.registry.call("t")

    assert caught.value is DOWN.error


async def test_an_open_circuit_starts_nothing():
    breaking = Breaking(DOWN)

    result = await breaking.run(3)

    assert (result.error.code, result.attempts, len(breaking.script.starts)) == ("CIRCUIT_OPEN", 0, 1)


async def test_opens_as_its_rules_say():
    breaking = Breaking(DOWN, failure_threshold=None, min_calls=4)

    await breaking.run(3)
    assert breaking.state == "closed"
    await breaking.run()
    assert breaking.state == "open"


async def test_tries_again_when_its_time_is_over():
    breaking = Breaking(DOWN, Give(7), recovery_time=30)
    await breaking.run()
    await anyio.sleep(29.9)

    assert not (await breaking.run()).ok
    await anyio.sleep(0.1)
    assert (await breaking.run()).value == 7
    assert breaking.changes == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


async def test_stays_open_longer_when_the_trial_fails():
    breaking = Breaking(DOWN, recovery_time=10, random=lambda: 0.5)
    await breaking.run()
    await anyio.sleep(10)

    await breaking.run()

    assert (await breaking.run()).error.retry_after == pytest.approx(15)


async def test_while_all_is_well_no_call_takes_the_lock():
    breaking = Breaking(Give(7))
    await breaking.run()
    breaking.breaker._circuits.lock = None  # whoever takes it fails

    assert (await breaking.run()).value == 7


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("error", "counts"),
        [
            (ValueError(), True),
            (ToolFailed(), True),
            (Unavailable(), True),
            (InvalidResult(), True),
            (ToolTimeout(kind="attempt"), True),
            (ToolTimeout(kind="total"), False),
            (InvalidArguments(), False),
            (RateLimited(), False),
            (Overloaded(), False),
            (Denied(), False),
            (ExceptionGroup("one", [Denied()]), False),
            (ExceptionGroup("two", [Denied(), OSError()]), True),
        ],
        ids=repr,
    )
    async def test_by_default_all_but_refusals_and_wrong_arguments(self, error, counts):
        breaking = Breaking(Fail(error))

        await breaking.run()

        assert breaking.state == ("open" if counts else "closed")

    @pytest.mark.parametrize(
        ("counts", "state"),
        [
            (OSError, "open"),
            ((LookupError, ConnectionError), "open"),
            (LookupError, "closed"),
            ((), "closed"),
            (ErrorCode.TOOL_FAILED, "open"),
            ((ErrorCode.TIMEOUT, LookupError), "closed"),
            (lambda error: "1234" in str(error), "open"),
            (lambda error: False, "closed"),
            (lambda error: 1, "closed"),
        ],
    )
    async def test_what_is_named(self, counts, state):
        breaking = Breaking(DOWN, counts=counts)

        await breaking.run()

        assert breaking.state == state

    async def test_a_code_names_our_own_errors(self):
        breaking = Breaking(Fail(Unavailable()), counts=ErrorCode.UNAVAILABLE)

        await breaking.run()

        assert breaking.state == "open"

    @pytest.mark.parametrize(("error", "state"), [(ConnectionError(), "open"), (Denied(), "closed")])
    async def test_a_predicate_that_raises_is_reported_and_asked_for_nothing(self, error, state):
        breaking = Breaking(Fail(error), counts=lambda error: 1 / 0)

        result = await breaking.run()

        assert (result.error.cause, breaking.state) == (error, state)
        assert [(type(fault), type(fault.error)) for fault in breaking.faults] == [
            (MiddlewareFailed, ZeroDivisionError)
        ]

    async def test_a_predicate_that_ends_the_program_counts_nothing_and_leaves_no_place_taken(self):
        def leaves(error):
            raise KeyboardInterrupt

        breaking = Breaking(DOWN, counts=leaves)
        breaking.breaker._circuits.get("t").adopt(CircuitState.OPEN, 0.0, remaining=0.0, cause="")

        with pytest.raises(KeyboardInterrupt):
            await breaking.run()

        assert breaking.state == "half_open"
        assert breaking.breaker._circuits.find("t")._trials == {}

    @pytest.mark.parametrize(
        "error", [Overloaded(), RateLimited(), Unavailable(), ToolTimeout(kind="attempt")], ids=repr
    )
    async def test_not_what_refuses_a_call_further_in(self, error):
        async def full(call, inner):
            raise error

        full.stage = Stage.ACT
        breaking = Breaking(Give(1), inside=[full], counts=Exception)

        await breaking.run()

        assert breaking.state == "closed"

    async def test_what_goes_wrong_further_in_before_the_tool_starts(self):
        async def disconnected(call, inner):
            raise ConnectionError

        disconnected.stage = Stage.ACT
        breaking = Breaking(Give(1), inside=[disconnected])

        await breaking.run()

        assert breaking.state == "open"

    async def test_not_a_value_that_the_tool_has_not_given(self):
        async def cached(call, inner):
            return "from the cache"

        cached.stage = Stage.ACT
        breaking = Breaking(DOWN, recovery_time=1)
        await breaking.run()
        await anyio.sleep(1)
        breaking.registry.use(cached)

        await breaking.run()

        assert breaking.state == "half_open"

    async def test_an_attempt_that_takes_too_long(self):
        breaking = Breaking(Hang(), inside=[TimeoutMiddleware(5)])

        await breaking.run()

        assert breaking.state == "open"

    async def test_a_value_that_is_not_what_the_tool_declares(self):
        breaking = Breaking(Give(7))

        @breaking.registry.tool(validate_result=True)
        async def named() -> str:
            return 7

        await breaking.registry.execute("named")

        assert breaking.breaker.state("named") == "open"

    async def test_a_call_that_takes_too_long_to_be_well(self):
        breaking = Breaking(Give(1, after=2), slow_seconds=2, min_calls=2)

        await breaking.run(2)

        assert breaking.state == "open"
        assert "(slow calls)" in (await breaking.run()).error.message

    async def test_its_time_begins_with_it(self):
        breaking = Breaking(Give(after=1), slow_seconds=2, min_calls=1)
        await anyio.sleep(10)

        await breaking.run()

        assert breaking.state == "closed"

    @pytest.mark.parametrize("steps", [(Give(after=2), Give()), (Give(), Give(after=2))])
    async def test_how_many_may_be_slow(self, steps):
        breaking = Breaking(*steps, slow_seconds=2, slow_ratio=0.5, min_calls=2)

        await breaking.run(2)

        assert breaking.state == "open"


class TestCancellation:
    """Is never counted, and gives back the place of a trial."""

    async def test_while_it_is_closed(self):
        breaking = Breaking(Hang())

        with anyio.move_on_after(1):
            await breaking.run()

        assert breaking.state == "closed"

    async def test_of_a_trial_call(self):
        breaking = Breaking(DOWN, Hang(), Give(7), recovery_time=1)
        await breaking.run()
        await anyio.sleep(1)

        with anyio.move_on_after(0.5):
            await breaking.run()

        assert breaking.state == "half_open"
        assert (await breaking.run()).value == 7

    async def test_by_a_limit_of_time_further_out(self):
        breaking = Breaking(Hang())

        await breaking.run(timeout=5)

        assert breaking.state == "closed"

    @pytest.mark.parametrize(("scope", "limit"), [(2, 50), (50, 2)])
    async def test_that_the_tool_makes_an_error_of(self, scope, limit):
        breaking = Breaking(Give())
        breaking.registry.add(rude)

        with anyio.move_on_after(scope):
            await breaking.registry.execute("rude", timeout=limit)

        assert breaking.breaker.state("rude") == "closed"

    @pytest.mark.backends("asyncio")
    async def test_sent_natively_that_the_tool_makes_an_error_of(self):
        breaking = Breaking(Give())
        breaking.registry.add(rude)
        task = asyncio.create_task(breaking.registry.execute("rude"))
        await asyncio.sleep(1)

        task.cancel()
        await task

        assert breaking.breaker.state("rude") == "closed"

    async def test_of_a_run_that_the_tool_makes_an_error_of(self):
        breaking, token = Breaking(Give()), CancellationToken()

        @breaking.registry.tool
        async def works() -> None:
            token.cancel("the user left")
            raise ConnectionError("and so did we")

        await breaking.registry.execute("works", context=ExecutionContext(cancellation=token))

        assert breaking.breaker.state("works") == "closed"

    async def test_of_a_run(self):
        breaking = Breaking(Fail(RunCancelled("the user left")))

        with pytest.raises(RunCancelled):
            await breaking.run()

        assert breaking.state == "closed"


class TestTrials:
    async def test_so_many_at_a_time(self):
        breaking = Breaking(DOWN, Give(after=1), recovery_time=10, half_open_permits=2, success_threshold=3)
        await breaking.run()
        await anyio.sleep(10)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(breaking.run)

        assert (len(breaking.script.starts), breaking.state) == (1 + 2, "half_open")
        await breaking.run()
        assert breaking.state == "closed"

    @pytest.mark.parametrize(
        ("timeout", "moment", "runs"), [(None, 10.5, 3), (60, 10.5, 2), (math.inf, 10.5, 3)]
    )
    async def test_one_that_hangs_makes_place_for_another(self, timeout, moment, runs):
        breaking = Breaking(DOWN, Hang(), Give(7), recovery_time=10, options={"timeout": timeout})
        await breaking.run()
        await anyio.sleep(10)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breaking.run)
            await anyio.sleep(moment)
            await breaking.run()
            tasks.cancel_scope.cancel()

        assert len(breaking.script.starts) == runs

    async def test_a_trial_of_the_time_before_keeps_its_place(self):
        breaking = Breaking(DOWN, Hang(), DOWN, recovery_time=10, options={"timeout": 60})
        await breaking.run()
        await anyio.sleep(10)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breaking.run)
            await anyio.sleep(1)
            breaking.breaker.reset("t")
            await breaking.run()
            await anyio.sleep(10)
            assert (await breaking.run()).error.code == "CIRCUIT_OPEN"
            tasks.cancel_scope.cancel()

        assert breaking.changes[-1] == ("open", "half_open")


class TestRefusal:
    async def test_says_how_long_and_why_and_no_more_than_may_be_told(self):
        breaking = Breaking(DOWN, recovery_time=30)
        await breaking.run()
        await anyio.sleep(20)

        error = (await breaking.run()).error

        assert error.message == (
            "'t' failed too often (ConnectionError) and is left alone for another 10 s; "
            "do without it until then"
        )
        assert (error.retry_after, error.retryable) == (pytest.approx(10), False)

    async def test_names_the_one_error_in_a_group(self):
        breaking = Breaking(Fail(ExceptionGroup("unhandled errors in a TaskGroup", [OSError()])))
        await breaking.run()

        assert "(OSError)" in (await breaking.run()).error.message

    async def test_with_no_end_of_it(self):
        breaking = Breaking(DOWN, recovery_time=math.inf)
        await breaking.run()

        error = (await breaking.run()).error

        assert "is left alone until somebody resets it" in error.message
        assert error.retry_after is None

    async def test_while_another_call_tries(self):
        breaking = Breaking(DOWN, Hang(), recovery_time=1)
        await breaking.run()
        await anyio.sleep(1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breaking.run)
            await anyio.sleep(0.5)
            error = (await breaking.run()).error
            tasks.cancel_scope.cancel()

        assert "failed too often (ConnectionError), and another call is trying it" in error.message
        assert error.retry_after is None

    @pytest.mark.parametrize(
        ("reason", "message"),
        [
            ("new keys", "'t' is out of use: new keys; do without it"),
            ("", "'t' is out of use; do without it"),
        ],
    )
    async def test_by_hand(self, reason, message):
        breaking = Breaking(Give())
        breaking.breaker.isolate("t", reason=reason)

        error = (await breaking.run()).error

        assert (error.message, error.retry_after) == (message, None)

    async def test_is_told_to_observers(self):
        breaking = Breaking(DOWN)
        await breaking.run(2)

        (event,) = breaking.recorder.records[-1].events

        assert isinstance(event, CallRejected)
        assert (event.middleware, event.error) == (breaking.breaker, breaking.recorder.records[-1].error)

    async def test_is_no_less_where_nobody_observes(self):
        breaker, registry = CircuitBreakerMiddleware(failure_threshold=1), Registry()
        registry.use(breaker)
        registry.add(Script(DOWN).tool("t"))
        await registry.execute("t")

        assert (await registry.execute("t")).error.code == "CIRCUIT_OPEN"


class TestKeys:
    async def test_a_tool_that_fails_is_no_matter_of_another(self):
        breaking = Breaking(DOWN)
        breaking.registry.add(Script(Give(7)).tool("other"))
        await breaking.run()

        assert await breaking.registry.call("other") == 7
        assert breaking.breaker.state("other") == "closed"

    async def test_a_key_tells_the_callers_of_a_tool_apart(self):
        breaking = Breaking(DOWN, Give(7), key=by_scope)

        await breaking.run(context=ExecutionContext(scope_id="acme"))

        assert (await breaking.run(context=ExecutionContext(scope_id="other"))).value == 7
        assert breaking.breaker.state("t", "acme") == "open"
        assert (breaking.told[0].tool, breaking.told[0].key) == ("t", ("t", "acme"))

    async def test_a_closed_circuit_makes_room(self):
        breaking = Breaking(Give(), key=by_scope, max_keys=2)

        for scope in "abc":
            assert (await breaking.run(context=ExecutionContext(scope_id=scope))).ok

    async def test_one_that_is_not_closed_makes_none(self):
        breaking = Breaking(DOWN, key=by_scope, max_keys=2)
        for scope in "ab":
            await breaking.run(context=ExecutionContext(scope_id=scope))

        result = await breaking.run(context=ExecutionContext(scope_id="c"))

        assert (result.error.code, result.attempts) == ("OVERLOADED", 0)
        assert "max_keys=2" in result.error.message
        assert isinstance(breaking.recorder.records[-1].events[-1], CallRejected)

    async def test_the_least_recently_used_goes(self):
        breaking = Breaking(Give(), key=by_scope, max_keys=2)
        for scope, moment in [("a", 0), ("b", 0), ("a", 60), ("c", 0)]:
            await anyio.sleep(moment)
            await breaking.run(context=ExecutionContext(scope_id=scope))

        kept = [scope for scope in "abc" if breaking.breaker._circuits.find(("t", scope))]

        assert kept == ["a", "c"]

    async def test_one_that_is_dropped_while_its_call_runs_opens_for_nobody(self):
        breaking = Breaking(Fail(OSError(), after=5), Give(), key=by_scope, max_keys=1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: breaking.run(context=ExecutionContext(scope_id="a")))
            await anyio.sleep(1)
            await breaking.run(context=ExecutionContext(scope_id="b"))

        assert breaking.told == []
        assert breaking.breaker.state("t", "a") == "closed"


class TestByHand:
    async def test_isolated_it_is_refused_until_it_is_reset(self):
        breaking = Breaking(Give(7))

        breaking.breaker.isolate("t", reason="maintenance")
        await anyio.sleep(10_000)
        assert (await breaking.run()).error.code == "CIRCUIT_OPEN"
        breaking.breaker.reset("t")
        assert (await breaking.run()).value == 7
        assert breaking.changes == [("closed", "isolated"), ("isolated", "closed")]

    def test_the_reason_is_given_by_name(self):
        with pytest.raises(TypeError, match="positional"):
            CircuitBreakerMiddleware().isolate("t", None, "maintenance")

    async def test_a_key_is_isolated_alone(self):
        breaking = Breaking(Give(7), key=by_scope)

        breaking.breaker.isolate("t", "acme")

        assert not (await breaking.run(context=ExecutionContext(scope_id="acme"))).ok
        assert (await breaking.run()).ok

    async def test_from_another_thread(self):
        breaking = Breaking(Give(7))
        thread = threading.Thread(target=breaking.breaker.isolate, args=("t",))

        thread.start()
        thread.join()

        assert breaking.state == "isolated"

    async def test_what_is_isolated_is_kept_however_many_keys_there_are(self):
        breaking = Breaking(Give(7), key=by_scope, max_keys=1)
        breaking.breaker.isolate("t", "acme")

        assert (await breaking.run()).error.code == "OVERLOADED"
        assert breaking.breaker.state("t", "acme") == "isolated"
        with pytest.raises(Overloaded, match="max_keys=1"):
            breaking.breaker.isolate("t", "other")

    @pytest.mark.parametrize("verb", ["isolate", "reset", "state"])
    async def test_a_key_is_refused_where_circuits_have_none(self, verb):
        with pytest.raises(ValueError, match="got the key 'acme'; leave it out"):
            getattr(CircuitBreakerMiddleware(), verb)("t", "acme")


class TestListener:
    async def test_is_told_what_opened_it(self):
        breaking = Breaking(DOWN)

        await breaking.run()

        assert breaking.told == [
            CircuitChanged(tool="t", key="t", before="closed", after="open", error=DOWN.error)
        ]
        assert breaking.recorder.records[0].events == breaking.told

    async def test_may_call_back_and_is_told_in_order(self):
        def calls_back(change):
            order.append((change.after, breaker.state("t").value))
            if change.after == "open":
                breaker.isolate("t", reason="enough")
            order.append("ended")

        order, breaking = [], Breaking(DOWN, on_change=calls_back)
        breaker = breaking.breaker

        await breaking.run()

        assert order == [("open", "open"), "ended", ("isolated", "isolated"), "ended"]

    async def test_that_raises_is_reported_and_told_the_next_change(self):
        def broken(change):
            told.append(change.after)
            raise RuntimeError("listener")

        told, breaking = [], Breaking(DOWN, on_change=broken, recovery_time=1)

        result = await breaking.run()
        await anyio.sleep(1)
        await breaking.run()

        assert result.error.cause is DOWN.error
        assert told == ["open", "half_open", "open"]
        assert [str(fault.error) for fault in breaking.faults] == ["listener"] * 3

    def test_that_raises_outside_any_call_is_logged(self, caplog):
        breaker = CircuitBreakerMiddleware(on_change=lambda change: 1 / 0)

        breaker.isolate("t")

        assert "a listener to CircuitChanged failed" in caplog.text

    def test_that_ends_the_program_does_not_keep_the_next_from_being_told(self):
        def leaves(change):
            told.append(change.after)
            raise KeyboardInterrupt

        told, breaker = [], None
        breaker = CircuitBreakerMiddleware(on_change=leaves)
        for turn in (breaker.isolate, breaker.reset):
            with pytest.raises(KeyboardInterrupt):
                turn("t")

        assert told == ["isolated", "closed"]

    async def test_that_ends_the_program_leaves_no_place_taken(self):
        def leaves(change):
            if change.after == "half_open":
                raise KeyboardInterrupt

        breaking = Breaking(DOWN, on_change=leaves, recovery_time=1)
        await breaking.run()
        await anyio.sleep(1)
        with pytest.raises(KeyboardInterrupt):
            await breaking.run()

        assert breaking.breaker._circuits.find("t")._trials == {}


class TestSettings:
    @pytest.mark.parametrize("counts", [3, "TOOL_FAILED", (ValueError, "TIMEOUT"), BaseException, int, None])
    def test_counts_takes_types_codes_or_a_predicate(self, counts):
        with pytest.raises(
            TypeError, match="counts takes exception types, error codes or one predicate, got"
        ):
            CircuitBreakerMiddleware(counts=counts)

    @pytest.mark.parametrize("setting", ["key", "on_change"])
    def test_functions_are_plain(self, setting):
        async def asynchronous(value):
            return value

        for value in (asynchronous, "t"):
            with pytest.raises(TypeError, match=f"{setting} takes a plain function, got"):
                CircuitBreakerMiddleware(**{setting: value})

    def test_a_predicate_is_not_async(self):
        async def asynchronous(error):
            return True

        with pytest.raises(TypeError, match="counts takes .* one predicate, and that is not async"):
            CircuitBreakerMiddleware(counts=asynchronous)

    @pytest.mark.parametrize("setting", ["max_keys", "recovery_time"])
    def test_refuses_settings_that_are_none(self, setting):
        with pytest.raises(ValueError, match=f"^{setting} must be"):
            CircuitBreakerMiddleware(**{setting: 0})

    @pytest.mark.parametrize(
        ("settings", "text"),
        [
            ({}, "50 % of 10 calls, then 30 s"),
            ({"failure_threshold": 5}, "5 in a row, then 30 s"),
            ({"failure_ratio": 0.07, "failure_threshold": 5}, "7 % of 10 calls or 5 in a row, then 30 s"),
        ],
    )
    def test_says_in_short_what_it_is(self, settings, text):
        assert str(CircuitBreakerMiddleware(**settings)) == f"CircuitBreakerMiddleware({text})"

    def test_they_are_given_by_name(self):
        with pytest.raises(TypeError, match="positional"):
            CircuitBreakerMiddleware(0.5)

    def test_its_repr_has_settings_alone(self):
        assert ", _" not in repr(CircuitBreakerMiddleware())

    def test_two_with_equal_settings_are_two(self):
        assert CircuitBreakerMiddleware() != CircuitBreakerMiddleware()

    def test_it_can_be_hashed_whatever_it_is_given(self):
        class Listens:
            __hash__ = None

            def __call__(self, change):
                """Is told."""

        assert hash(CircuitBreakerMiddleware(on_change=Listens()))

    async def test_outside_a_retry_it_is_warned_of(self):
        registry = Registry()
        registry.use(CircuitBreakerMiddleware(), RetryMiddleware())
        registry.add(Script(Give(1)).tool("t"))

        with pytest.warns(UserWarning, match="CircuitBreakerMiddleware.* is outside RetryMiddleware"):
            await registry.call("t")

    async def test_without_a_registry(self):
        alone = compose(CircuitBreakerMiddleware(failure_threshold=1))(Script(DOWN).tool("t"))
        with pytest.raises(ConnectionError):
            await alone()

        with pytest.raises(CircuitOpen):
            await alone()


class TestStreams:
    """A stream is judged by how its tool does, and not by how it is read."""

    def streaming(self, **settings):
        breaker, registry = CircuitBreakerMiddleware(**settings), Registry()
        registry.use(breaker)

        @registry.tool
        async def count(first: float = 0, until: int = 5, fails: bool = False):
            await anyio.sleep(first)
            for number in range(until):
                yield number
            if fails:
                raise OSError
            await anyio.sleep(5)

        return registry, breaker

    async def test_that_comes_to_its_end_is_a_success(self):
        registry, breaker = self.streaming(failure_threshold=2)

        for fails in (True, False, True):
            await registry.stream("count", fails=fails).stream_to(lambda chunk: None)

        assert breaker.state("count") is CircuitState.CLOSED

    async def test_that_breaks_off_is_a_failure(self):
        registry, breaker = self.streaming(failure_threshold=1)

        await registry.stream("count", fails=True).stream_to(lambda chunk: None)

        assert breaker.state("count") is CircuitState.OPEN

    @pytest.mark.parametrize("limit", [{"first_chunk": 1}, {"idle": 1}])
    async def test_that_lets_wait_too_long_is_a_failure(self, limit):
        registry, breaker = self.streaming(failure_threshold=1)
        registry.use(TimeoutMiddleware(**limit))

        await registry.stream("count", first=3).stream_to(lambda chunk: None)

        assert breaker.state("count") is CircuitState.OPEN

    async def test_whose_tool_fails_to_clean_up_when_a_guard_stops_it_says_nothing(self):
        breaker, registry = CircuitBreakerMiddleware(failure_threshold=1), Registry()

        async def refuses(call, inner):
            async def emit(chunk):
                raise StreamStopped

            try:
                return await inner(call.streaming_to(emit))
            except StreamStopped:
                raise InvalidResult("not shown") from None

        registry.use(refuses, breaker)

        @registry.tool
        async def count():
            try:
                yield 1
            finally:
                raise OSError("the connection is gone")

        result = await registry.stream("count").stream_to(lambda chunk: None)

        assert result.error.code is ErrorCode.INVALID_RESULT
        assert breaker.state("count") is CircuitState.CLOSED

    @pytest.mark.parametrize("how", ["closes it", "fails"])
    async def test_whose_reader_leaves_says_nothing(self, how):
        registry, breaker = self.streaming(failure_threshold=1, recovery_time=1)
        await registry.stream("count", fails=True).stream_to(lambda chunk: None)
        await anyio.sleep(2)

        async def leaves(chunk):
            raise OSError

        if how == "fails":
            with pytest.raises(OSError):
                await registry.stream("count").stream_to(leaves)
        else:
            async with registry.stream("count") as stream:
                await anext(stream)

        assert breaker.state("count") is CircuitState.HALF_OPEN
        assert (await registry.execute("count")).ok  # its place was given back

    @pytest.mark.parametrize(
        ("first", "wait", "state"), [(3, 0, CircuitState.OPEN), (1, 9, CircuitState.CLOSED)]
    )
    async def test_is_slow_by_its_first_chunk_however_it_is_read(self, first, wait, state):
        registry, breaker = self.streaming(slow_seconds=2, min_calls=1)

        await registry.stream("count", first=first).stream_to(lambda chunk: anyio.sleep(wait))

        assert breaker.state("count") is state

    @pytest.mark.parametrize("how", ["no chunk", "one value"])
    async def test_is_slow_by_its_end_where_nobody_waits_for_a_first_chunk(self, how):
        registry, breaker = self.streaming(slow_seconds=2, min_calls=1)

        if how == "no chunk":
            await registry.stream("count", until=0).stream_to(lambda chunk: None)
        else:
            await registry.call("count")

        assert breaker.state("count") is CircuitState.OPEN
