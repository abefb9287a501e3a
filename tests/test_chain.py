"""Stages: who stands where, around what, and what it means when one fails."""

import asyncio
import contextlib
import itertools

import anyio
import pytest

from toolcase import Call, Denied, InvalidArguments, Registry, Stage, ToolFailed, ToolTimeout, tool
from toolcase.call import running
from toolcase.chain import compile_chain
from toolcase.events import GuardFailed, MiddlewareFailed
from toolcase.runtime import BulkheadMiddleware, RetryMiddleware, TimeoutMiddleware, compose, together
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock
from toolcase.timer import ToolsOwnTimeout
from toolcase.tool import Tool
from toolcase.tool_options import ToolOptions


def standing(stage, behaviour):
    """An async function as a middleware of that stage."""

    async def middleware(call, inner):
        return await behaviour(call, inner)

    middleware.stage = stage
    return middleware


def logging_to(log, name, stage):
    """A middleware that notes when it is entered and left."""

    async def middleware(call, inner):
        log.append(f"+{name}")
        try:
            return await inner(call)
        finally:
            log.append(f"-{name}")

    middleware.stage = stage
    middleware.__name__ = name
    return middleware


def combinator(*children, function, name="both", middleware=()):
    """A tool made of tools, as combinators make them."""
    return Tool(function, ToolOptions(name=name, middleware=middleware), children=children)


class TestOrder:
    """Stages first, then the order of use."""

    @pytest.mark.parametrize("order", list(itertools.permutations(Stage)))
    async def test_the_stage_comes_before_the_order_of_use(self, order):
        registry, log = Registry(), []
        registry.add(Script(Give(1)).tool("t"))
        for stage in order:
            registry.use(logging_to(log, stage.name, stage))

        await registry.call("t")

        assert log == ["+OBSERVE", "+GUARD", "+ACT", "-ACT", "-GUARD", "-OBSERVE"]

    @pytest.mark.parametrize("stage", Stage)
    async def test_within_a_stage_the_first_used_is_outermost(self, stage):
        registry, log = Registry(), []
        registry.add(Script(Give(1)).tool("t"))
        registry.use(logging_to(log, "a", stage), logging_to(log, "b", stage))
        registry.use(logging_to(log, "c", stage))

        await registry.call("t")

        assert log == ["+a", "+b", "+c", "-c", "-b", "-a"]

    @pytest.mark.parametrize("stage", Stage)
    async def test_the_tools_own_stands_inside_the_registrys(self, stage):
        registry, log = Registry(), []
        registry.add(Script(Give(1)).tool("t", middleware=(logging_to(log, "own", stage),)))
        registry.use(logging_to(log, "registry", stage))

        await registry.call("t")

        assert log == ["+registry", "+own", "-own", "-registry"]

    async def test_a_plain_function_is_a_guard(self):
        registry, log = Registry(), []

        async def plain(call, inner):
            log.append(dict(call.arguments))
            return await inner(call)

        @registry.tool
        async def double(n: int) -> int:
            return 2 * n

        registry.use(plain)

        await registry.call("double", n="4")

        assert log == [{"n": 4}]

    async def test_only_narrows_by_name(self):
        registry, log = Registry(), []
        registry.add(Script(Give()).tool("db_read"), Script(Give()).tool("web_read"))
        registry.use(logging_to(log, "db", Stage.GUARD), only="db_*")

        await registry.call("web_read")
        await registry.call("db_read")

        assert log == ["+db", "-db"]

    async def test_what_is_used_later_stands_around_later_calls(self):
        registry, log = Registry(), []
        registry.add(Script(Give()).tool("t"))
        await registry.call("t")

        registry.use(logging_to(log, "late", Stage.ACT))
        await registry.call("t")

        assert log == ["+late", "-late"]

    def test_print_shows_every_chain_outermost_first(self):
        registry = Registry()
        registry.add(Script(Give()).tool("a"), Script(Give()).tool("b", timeout=3))
        registry.use(TimeoutMiddleware(5), RetryMiddleware(), Recorder())
        registry.use(logging_to([], "mine", Stage.GUARD), only="b")

        assert str(registry).splitlines() == [
            "a | OBSERVE Recorder | ACT TimeoutMiddleware(5 s) > RetryMiddleware(3 attempts)",
            (
                "b | OBSERVE Recorder | GUARD mine | "
                "ACT TimeoutMiddleware(5 s) > RetryMiddleware(3 attempts) > ToolsOwnTimeout(3 s)"
            ),
        ]

    def test_what_stands_around_a_tool_can_be_asked_for(self):
        registry, retry, recorder = Registry(), RetryMiddleware(), Recorder()
        registry.add(Script(Give()).tool("t", timeout=3))
        registry.use(retry, recorder, TimeoutMiddleware(5))

        around = registry.around("t")

        assert around == {Stage.OBSERVE: [recorder], Stage.ACT: [retry, TimeoutMiddleware(3)]}

    def test_print_of_an_empty_registry_says_so(self):
        assert str(Registry()) == "no tools"

    @pytest.mark.parametrize(
        ("inside", "said"), [(True, "outside .*; use it after"), (False, "inside .*; use it before")]
    )
    async def test_what_stands_on_the_wrong_side_of_a_retry_warns(self, inside, said):
        async def odd(call, inner):
            return await inner(call)

        odd.stage, odd.inside_retry = Stage.ACT, inside
        registry = Registry()
        registry.add(Script(Give(1)).tool("t"))
        registry.use(odd, RetryMiddleware()) if inside else registry.use(RetryMiddleware(), odd)

        with pytest.warns(UserWarning, match=f"'t': odd is {said} the retry"):
            await registry.call("t")

    @pytest.mark.parametrize("inside", [True, False])
    async def test_what_stands_on_its_side_of_a_retry_does_not_warn(self, inside):
        async def usual(call, inner):
            return await inner(call)

        usual.stage, usual.inside_retry = Stage.ACT, inside
        registry = Registry()
        registry.add(Script(Give(1)).tool("t"))
        registry.use(RetryMiddleware(), usual) if inside else registry.use(usual, RetryMiddleware())

        await registry.call("t")  # warnings are errors here

    async def test_two_retries_around_one_tool_warn_that_they_multiply(self):
        registry = Registry()
        registry.add(Script(Give()).tool("t"))
        registry.use(RetryMiddleware(), RetryMiddleware())

        with pytest.warns(UserWarning, match="'t': the attempts of .* and .* multiply; keep one"):
            await registry.call("t")

    async def test_only_tells_upper_case_from_lower_case(self):
        registry, log = Registry(), []
        registry.add(Script(Give()).tool("DB_read"))
        registry.use(logging_to(log, "db", Stage.GUARD), only="db_*")

        await registry.call("DB_read")

        assert log == []

    async def test_a_chain_is_compiled_once(self):
        registry, placed = Registry(), []

        class Placed(TimeoutMiddleware):
            def with_limit(self, *, seconds, kind):
                placed.append(kind)
                return self

        registry.use(Placed(5))
        registry.add(Script(Give()).tool("t"))

        await registry.call("t")
        await registry.call("t")

        assert placed == ["attempt"]


class TestScope:
    """Which calls a stage is around."""

    async def test_observers_see_unknown_names(self):
        registry, recorder = Registry(), Recorder()
        registry.use(recorder)

        await registry.execute("nobody")

        assert recorder.tools == ["nobody"]
        assert recorder.records[0].call.tool is None
        assert recorder.records[0].error.code == "UNKNOWN_TOOL"

    async def test_observers_see_invalid_arguments(self):
        registry, recorder = Registry(), Recorder()
        registry.use(recorder)

        @registry.tool
        async def double(n: int) -> int:
            return 2 * n

        await registry.execute("double", {"n": "many"})

        assert isinstance(recorder.records[0].error, InvalidArguments)
        assert recorder.records[0].call.arguments == {"n": "many"}

    @pytest.mark.parametrize("stage", [Stage.GUARD, Stage.ACT])
    async def test_the_others_see_neither(self, stage):
        registry, log = Registry(), []
        registry.use(logging_to(log, "m", stage))

        @registry.tool
        async def double(n: int) -> int:
            return 2 * n

        await registry.execute("double", {"n": "many"})
        await registry.execute("nobody")

        assert log == []

    async def test_act_is_left_out_around_a_combinator_and_stays_around_its_children(self):
        registry, log = Registry(), []
        child = Script(Give(1)).tool("child")

        async def both() -> int:
            return await registry.call("child")

        registry.add(child, combinator(child, function=both))
        for stage in Stage:
            registry.use(logging_to(log, stage.name, stage))

        await registry.call("both")

        assert [entry for entry in log if entry[0] == "+"] == [
            *("+OBSERVE", "+GUARD"),  # the combinator
            *("+OBSERVE", "+GUARD", "+ACT"),  # its child
        ]

    async def test_act_of_the_combinators_own_stays(self):
        registry, log = Registry(), []
        child = Script(Give(1)).tool("child")

        async def both() -> int:
            return 1

        own = logging_to(log, "own", Stage.ACT)
        registry.add(combinator(child, function=both, middleware=(own,)))

        await registry.call("both")

        assert log == ["+own", "-own"]

    async def test_retries_do_not_multiply_inside_a_combinator(self):
        registry, script = Registry(), Script(Fail(ConnectionError()))
        child = script.tool("child")

        async def both() -> int:
            return await registry.call("child")

        registry.add(child, combinator(child, function=both))
        registry.use(RetryMiddleware())

        await registry.execute("both")

        assert len(script.starts) == 3

    async def test_only_narrows_which_observers_see_unknown_names(self):
        registry, recorder = Registry(), Recorder()
        registry.use(recorder, only="db_*")

        await registry.execute("web_nobody")
        await registry.execute("db_nobody")

        assert recorder.tools == ["db_nobody"]


class TestToolTimeout:
    """`@tool(timeout=)` is the attempt timeout."""

    @pytest.mark.parametrize("own", [2, 20])
    async def test_replaces_the_seconds_of_the_innermost_timeout_longer_too(self, own):
        registry = Registry()
        registry.use(TimeoutMiddleware(100), TimeoutMiddleware(5))
        registry.add(Script(Hang()).tool("t", timeout=own))

        with pytest.raises(ToolTimeout):
            await registry.call("t")

        assert current_clock().now == pytest.approx(own)

    @pytest.mark.parametrize("outside", [(), (TimeoutMiddleware(30),)])
    async def test_is_added_where_there_is_none_inside_the_retry(self, outside):
        registry, script = Registry(), Script(Hang(), Give(1))
        registry.use(*outside, RetryMiddleware())
        registry.add(script.tool("t", timeout=2))

        assert await registry.call("t") == 1
        assert len(script.starts) == 2

    async def test_where_it_is_added_it_stands_innermost(self):
        registry, log = Registry(), []
        registry.use(logging_to(log, "permit", Stage.ACT))
        registry.add(Script(Hang()).tool("t", timeout=2))

        with pytest.raises(ToolTimeout):
            await registry.call("t")

        assert str(registry) == "t | ACT permit > ToolsOwnTimeout(2 s)"

    async def test_can_be_called_as_any_middleware(self):
        own = ToolsOwnTimeout(2)

        async def outer(call, inner):
            return await own(call, inner)

        registry = Registry()
        registry.use(outer)
        registry.add(Script(Hang()).tool("t"))

        with pytest.raises(ToolTimeout):
            await registry.call("t")

    async def test_where_it_is_added_its_error_speaks_of_one_attempt(self):
        registry = Registry()
        registry.add(Script(Hang()).tool("t", timeout=2))

        with pytest.raises(ToolTimeout, match=r"^'t' took longer than 2 s$") as caught:
            await registry.call("t")

        assert caught.value.kind == "attempt"


class TestToolMaxConcurrent:
    """`@tool(max_concurrent=)` is a bulkhead around the tool."""

    @staticmethod
    def around(*used, **options):
        registry = Registry()
        registry.use(*used)
        registry.add(Script(Give()).tool("t", max_concurrent=3, **options))
        return str(registry).partition("ACT ")[2]

    @staticmethod
    async def seconds(calls, *run):
        """How long that many calls take that begin together, of a tool that takes a second."""
        began = current_clock().now
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(*run)
        return current_clock().now - began

    @staticmethod
    def takes_a_second(name="t", **options):
        return Script(Give(1, after=1)).tool(name, **options)

    @pytest.mark.parametrize("limit", [1, 5])
    def test_replaces_the_limit_of_the_innermost_bulkhead_larger_too(self, limit):
        around = self.around(BulkheadMiddleware(9), RetryMiddleware(), BulkheadMiddleware(limit))

        assert around.split(" > ")[::2] == ["BulkheadMiddleware(9 at once)", "BulkheadMiddleware(3 at once)"]

    def test_replaces_that_of_a_bulkhead_around_the_retries_where_it_is_the_only_one(self):
        around = self.around(BulkheadMiddleware(9), RetryMiddleware())

        assert around == "BulkheadMiddleware(3 at once) > RetryMiddleware(3 attempts)"

    def test_a_bulkhead_that_does_not_count_by_tool_stays_beside_it(self):
        around = self.around(BulkheadMiddleware(9, key=together))

        assert around == "BulkheadMiddleware(9 at once) > ToolsOwnBulkhead(3 at once)"

    def test_where_it_is_added_it_stands_innermost_without_a_limit_of_time_for_attempts(self):
        around = self.around(TimeoutMiddleware(9), RetryMiddleware())

        assert around == "TimeoutMiddleware(9 s) > RetryMiddleware(3 attempts) > ToolsOwnBulkhead(3 at once)"

    def test_where_it_is_added_no_attempt_waits_in_its_queue(self):
        limits = TimeoutMiddleware(9), RetryMiddleware(), TimeoutMiddleware(5), TimeoutMiddleware(4)

        assert self.around(*limits).split(" > ")[2:] == [
            "TimeoutMiddleware(5 s)",
            "ToolsOwnBulkhead(3 at once)",
            "TimeoutMiddleware(4 s)",
        ]
        assert self.around(timeout=2) == "ToolsOwnBulkhead(3 at once) > ToolsOwnTimeout(2 s)"

    @pytest.mark.parametrize("used", [(), (BulkheadMiddleware(1),)])
    async def test_limits_how_many_calls_run_at_once(self, used):
        registry = Registry()
        registry.use(*used)
        registry.add(self.takes_a_second(max_concurrent=2))

        assert await self.seconds(4, registry.call, "t") == pytest.approx(2)

    async def test_as_many_wait_and_no_more(self):
        registry = Registry()
        registry.add(self.takes_a_second(max_concurrent=1))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            refused = await registry.execute("t")

        assert refused.error.message == (
            "'t' has no room: 1 of 1 calls run and 1 of 1 wait; try again later "
            "(the host can raise the limit of ToolsOwnBulkhead(1 at once))"
        )

    async def test_each_tool_has_its_own_number(self):
        registry = Registry()
        registry.use(BulkheadMiddleware(4))
        registry.add(self.takes_a_second("a", max_concurrent=1), self.takes_a_second("b"))

        async with anyio.create_task_group() as tasks:
            for name in ("a", "a", "b", "b"):
                tasks.start_soon(registry.call, name)
            await anyio.sleep(1.5)
            assert [call.name for call in registry.inflight()] == ["a"]

    async def test_each_registry_counts_for_itself(self):
        shared, registries = self.takes_a_second(max_concurrent=1), (Registry(), Registry())

        async with anyio.create_task_group() as tasks:
            for registry in registries:
                registry.add(shared)
                tasks.start_soon(registry.call, "t")

        assert current_clock().now == pytest.approx(1)

    @pytest.mark.parametrize("used", [(), (BulkheadMiddleware(1),)])
    async def test_permits_outlive_a_change_of_middleware(self, used):
        registry = Registry()
        registry.use(*used)
        registry.add(self.takes_a_second(max_concurrent=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            registry.use(logging_to([], "late", Stage.GUARD))
            await registry.call("t")

        assert current_clock().now == pytest.approx(2)

    @pytest.mark.parametrize(("number", "seconds"), [(1, 2), (3, 1)])
    async def test_another_number_counts_the_calls_that_run_already(self, number, seconds):
        registry = Registry()
        registry.add(self.takes_a_second(max_concurrent=2))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            registry.remove("t")
            registry.add(self.takes_a_second(max_concurrent=number))
            await registry.call("t")

        assert current_clock().now == pytest.approx(seconds)

    async def test_without_a_registry_each_function_counts_for_itself(self):
        alone = compose()(self.takes_a_second(max_concurrent=1))

        assert await self.seconds(2, alone) == pytest.approx(2)

    async def test_holds_around_a_combinator_that_says_so(self):
        registry = Registry()

        async def both() -> None:
            await anyio.sleep(1)

        children = [Script(Give()).tool("child")]
        registry.add(Tool(both, ToolOptions(name="both", max_concurrent=1), children=children))

        assert await self.seconds(2, registry.call, "both") == pytest.approx(2)


class TestObservers:
    """They see everything and change nothing."""

    OUTCOMES = (Give(7), Fail(OSError("the tool's own")), Fail(ToolFailed("said so")))

    @staticmethod
    async def outcome(registry):
        try:
            return "value", await registry.call("t")
        except Exception as error:
            return "error", error

    async def misbehave(self, kind, call, inner):
        if kind == "raises before":
            raise RuntimeError("observer")
        if kind == "does not call":
            return "its own"
        try:
            value = await inner(call)
        except Exception:
            if kind == "swallows":
                return "its own"
            raise
        finally:
            if kind == "raises in finally":
                raise RuntimeError("observer")
        if kind == "raises after":
            raise RuntimeError("observer")
        if kind == "calls twice":
            await inner(call)
        return "its own" if kind == "returns another" else value

    @pytest.mark.parametrize("step", OUTCOMES)
    @pytest.mark.parametrize(
        "kind",
        [
            *("raises before", "raises after", "raises in finally", "does not call"),
            *("swallows", "returns another", "calls twice", "behaves"),
        ],
    )
    async def test_the_caller_gets_the_tools_outcome_run_once(self, kind, step):
        script, registry, faults = Script(step), Registry(), []
        registry.add(script.tool("t"))
        registry.use(standing(Stage.OBSERVE, lambda call, inner: self.misbehave(kind, call, inner)))
        registry.on_event(faults.append)

        how, what = await self.outcome(registry)

        assert (how, what) == (("value", 7) if isinstance(step, Give) else ("error", step.error))
        assert len(script.starts) == 1
        assert len(faults) <= 1
        assert all(isinstance(fault, MiddlewareFailed) for fault in faults)

    @pytest.mark.parametrize("kind", ["raises before", "raises after", "raises in finally", "calls twice"])
    async def test_the_fault_is_reported_once(self, kind):
        registry, faults = Registry(), []
        registry.add(Script(Give(7)).tool("t"))
        observer = standing(Stage.OBSERVE, lambda call, inner: self.misbehave(kind, call, inner))
        registry.use(Recorder(), observer, Recorder())
        registry.on_event(faults.append)

        await registry.call("t")

        assert [(fault.tool, fault.middleware) for fault in faults] == [("t", observer)]

    async def test_a_second_call_of_inner_raises_in_the_observer_that_made_it(self):
        registry, raised = Registry(), []

        async def greedy(call, inner):
            await inner(call)
            try:
                await inner(call)
            except RuntimeError as error:
                raised.append(str(error))

        registry.add(Script(Give(7)).tool("t"))
        registry.use(standing(Stage.OBSERVE, greedy), Recorder())

        assert await registry.call("t") == 7
        assert raised == ["an observer calls inner once"]

    async def test_a_task_group_round_inner_changes_neither_error_nor_report(self):
        registry, faults, error = Registry(), [], OSError("the tool's own")

        async def grouped(call, inner):
            async with anyio.create_task_group(), anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
                return await inner(call)

        registry.add(Script(Fail(error)).tool("t"))
        registry.use(standing(Stage.OBSERVE, grouped))
        registry.on_event(faults.append)

        with pytest.raises(OSError) as caught:
            await registry.call("t")

        assert caught.value is error
        assert faults == []

    async def test_a_scope_of_its_own_that_cancels_inner_makes_an_error_and_no_cancellation(self):
        registry = Registry()

        async def impatient(call, inner):
            with anyio.fail_after(2):
                return await inner(call)

        registry.add(Script(Hang()).tool("t"))
        registry.use(standing(Stage.OBSERVE, impatient))

        with pytest.raises(TimeoutError):
            await registry.call("t")

    async def test_one_that_cancels_inner_and_returns_makes_an_error(self):
        registry = Registry()

        async def impatient(call, inner):
            with anyio.move_on_after(2):
                return await inner(call)

        registry.add(Script(Hang()).tool("t"))
        registry.use(standing(Stage.OBSERVE, impatient))

        with pytest.raises(RuntimeError, match="impatient|middleware cancelled the call"):
            await registry.call("t")

    async def test_an_outer_cancellation_passes_though_the_observer_swallows_it(self):
        registry, after = Registry(), []

        async def swallow(call, inner):
            try:
                return await inner(call)
            except BaseException as error:
                if isinstance(error, Exception):
                    raise
                raise RuntimeError("instead") from None

        registry.add(Script(Hang()).tool("t"))
        registry.use(standing(Stage.OBSERVE, swallow))

        with anyio.move_on_after(1) as scope:
            await registry.call("t")
            after.append("went on")

        assert scope.cancelled_caught
        assert after == []

    @pytest.mark.backends("asyncio")
    async def test_a_native_cancellation_passes_though_the_observer_swallows_it(self):
        registry = Registry()

        async def swallow(call, inner):
            try:
                return await inner(call)
            except asyncio.CancelledError:
                return "instead"

        registry.add(Script(Hang()).tool("t"))
        registry.use(standing(Stage.OBSERVE, swallow))
        task = asyncio.create_task(registry.call("t"))
        await asyncio.sleep(1)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.mark.backends("asyncio")
    async def test_one_that_leaves_inner_running_is_an_error_that_says_so(self):
        registry, tasks = Registry(), []

        async def leave(call, inner):
            tasks.append(asyncio.create_task(inner(call)))
            await asyncio.sleep(0)

        registry.add(Script(Give(1, after=1)).tool("t"))
        registry.use(standing(Stage.OBSERVE, leave))

        with pytest.raises(RuntimeError, match="left the call running"):
            await registry.call("t")
        await tasks[0]

    async def test_the_end_of_the_program_is_not_theirs_to_swallow(self):
        registry = Registry()
        registry.add(Script(Fail(SystemExit(3))).tool("t"))

        async def swallow(call, inner):
            with contextlib.suppress(BaseException):
                await inner(call)

        registry.use(standing(Stage.OBSERVE, swallow))

        with pytest.raises(SystemExit):
            await registry.execute("t")

    async def test_events_reach_those_that_listen(self):
        registry, recorder = Registry(), Recorder()
        registry.use(recorder, RetryMiddleware())
        registry.add(Script(Fail(ConnectionError()), Give(1)).tool("t"))

        await registry.call("t")

        kinds = [type(event).__name__ for event in recorder.records[0].events]
        assert kinds == ["AttemptStarted", "RetryScheduled", "AttemptStarted"]

    async def test_a_listener_that_fails_is_reported_and_the_call_goes_on(self):
        class Broken(Recorder):
            def on_event(self, call, event):
                raise RuntimeError("deaf")

        registry, faults, broken = Registry(), [], Broken()
        registry.use(broken, RetryMiddleware())
        registry.add(Script(Give(1)).tool("t"))
        registry.on_event(faults.append)

        assert await registry.call("t") == 1
        assert [fault.middleware for fault in faults] == [broken]

    async def test_a_kept_call_keeps_no_value(self):
        registry, recorder = Registry(), Recorder()
        registry.use(recorder)
        registry.add(Script(Give(1)).tool("t"))

        await registry.call("t")

        assert recorder.records[0].call.info._value is None

    async def test_the_fault_of_one_that_fails_after_a_failed_tool_is_reported(self):
        registry, faults, error = Registry(), [], OSError("the tool's own")

        async def broken(call, inner):
            try:
                await inner(call)
            finally:
                raise RuntimeError("the observer's own")

        registry.add(Script(Fail(error)).tool("t"))
        registry.use(standing(Stage.OBSERVE, broken))
        registry.on_event(faults.append)

        await registry.execute("t")

        assert [str(fault.error) for fault in faults] == ["the observer's own"]

    async def test_one_without_on_event_is_told_no_events(self):
        registry, faults = Registry(), []
        registry.use(Recorder(), logging_to([], "deaf", Stage.OBSERVE), RetryMiddleware())
        registry.add(Script(Give()).tool("t"))
        registry.on_event(faults.append)

        await registry.call("t")

        assert faults == []

    async def test_a_group_with_an_error_of_its_own_beside_the_tools_is_reported(self):
        registry, faults = Registry(), []

        async def grouping(call, inner):
            try:
                await inner(call)
            except OSError as error:
                raise ExceptionGroup("both", [error, RuntimeError("the observer's own")]) from None

        registry.add(Script(Fail(OSError("the tool's own"))).tool("t"))
        registry.use(standing(Stage.OBSERVE, grouping))
        registry.on_event(faults.append)

        await registry.execute("t")

        assert [type(fault) for fault in faults] == [MiddlewareFailed]

    @pytest.mark.backends("asyncio")
    async def test_one_that_leaves_inner_running_and_fails_is_the_cause_of_the_error(self):
        registry, tasks, fault = Registry(), [], ValueError("the observer's own")

        async def leave(call, inner):
            tasks.append(asyncio.create_task(inner(call)))
            await asyncio.sleep(0)
            raise fault

        registry.add(Script(Give(1, after=1)).tool("t"))
        registry.use(standing(Stage.OBSERVE, leave))

        with pytest.raises(RuntimeError, match="left the call running") as caught:
            await registry.call("t")
        await tasks[0]

        assert caught.value.__cause__ is fault


class TestGuards:
    """They fail closed before, and leave the outcome alone after."""

    async def test_a_tool_error_of_theirs_passes_as_it_is(self):
        registry, script, error = Registry(), Script(Give(1)), Denied("not for you")
        registry.add(script.tool("t"))

        async def refuse(call, inner):
            raise error

        registry.use(refuse)

        with pytest.raises(Denied) as caught:
            await registry.call("t")

        assert caught.value is error
        assert script.starts == []

    @pytest.mark.parametrize("observed", [False, True])
    async def test_any_other_error_before_inner_is_a_refusal(self, observed):
        registry, script, error = Registry(), Script(Give(1)), KeyError("secret path")
        registry.add(script.tool("t"))

        async def broken(call, inner):
            raise error

        registry.use(*([Recorder()] if observed else []), broken)

        with pytest.raises(Denied, match="^'t' was refused") as caught:
            await registry.call("t")

        assert caught.value.__cause__ is error
        assert "secret" not in caught.value.info.message
        assert not caught.value.info.outcome_unknown
        assert script.starts == []

    async def test_may_change_the_value(self):
        registry = Registry()
        registry.add(Script(Give("secret")).tool("t"))

        async def redact(call, inner):
            return (await inner(call)).replace("secret", "***")

        registry.use(redact)

        assert await registry.call("t") == "***"

    async def test_may_reject_the_value(self):
        registry = Registry()
        registry.add(Script(Give("secret")).tool("t"))

        async def reject(call, inner):
            await inner(call)
            raise ToolFailed("not to be shown")

        registry.use(reject)

        with pytest.raises(ToolFailed, match="not to be shown"):
            await registry.call("t")

    async def test_may_turn_an_error_into_a_value(self):
        registry = Registry()
        registry.add(Script(Fail(OSError())).tool("t"))

        async def forgive(call, inner):
            try:
                return await inner(call)
            except OSError:
                return "nothing"

        registry.use(forgive)

        assert await registry.call("t") == "nothing"

    @pytest.mark.parametrize("step", [Give(7), Fail(OSError("the tool's own")), Fail(ToolFailed("said so"))])
    @pytest.mark.parametrize("around", [0, 1, 2])
    async def test_failing_after_inner_leaves_the_outcome_and_is_reported_once(self, step, around):
        registry, faults = Registry(), []
        registry.add(Script(step).tool("t"))

        async def fine(call, inner):
            return await inner(call)

        async def books(call, inner):
            try:
                return await inner(call)
            finally:
                raise RuntimeError("the books could not be written")

        guards = [fine, fine]
        guards.insert(around, books)
        registry.use(*guards)
        registry.on_event(faults.append)

        how, what = await TestObservers.outcome(registry)

        assert (how, what) == (("value", 7) if isinstance(step, Give) else ("error", step.error))
        assert [(type(fault), fault.middleware) for fault in faults] == [(GuardFailed, books)]

    async def test_the_outcome_that_stands_is_what_the_guard_inside_made_of_it(self):
        registry = Registry()
        registry.add(Script(Give("secret")).tool("t"))

        async def books(call, inner):
            await inner(call)
            raise RuntimeError("the books could not be written")

        async def redact(call, inner):
            await inner(call)
            return "***"

        registry.use(books, redact)

        assert await registry.call("t") == "***"

    async def test_a_refusal_of_the_guard_inside_is_the_outcome_that_stands(self):
        registry, script = Registry(), Script(Give(1))
        registry.add(script.tool("t"))

        async def books(call, inner):
            try:
                await inner(call)
            finally:
                raise RuntimeError("the books could not be written")

        async def broken(call, inner):
            raise KeyError("x")

        registry.use(books, broken)

        with pytest.raises(Denied, match="^'t' was refused"):
            await registry.call("t")

        assert script.starts == []

    async def test_a_task_group_round_inner_changes_neither_error_nor_report(self):
        registry, faults, error = Registry(), [], OSError("the tool's own")

        async def grouped(call, inner):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
                return await inner(call)

        registry.add(Script(Fail(error)).tool("t"))
        registry.use(grouped)
        registry.on_event(faults.append)

        with pytest.raises(OSError) as caught:
            await registry.call("t")

        assert caught.value is error
        assert faults == []

    async def test_a_limit_of_its_own_makes_the_calls_error(self):
        registry = Registry()
        registry.add(Script(Hang()).tool("t"))

        async def impatient(call, inner):
            with anyio.fail_after(2):
                return await inner(call)

        registry.use(impatient)

        with pytest.raises(TimeoutError):
            await registry.call("t")

        assert current_clock().now == pytest.approx(2)

    async def test_an_outer_cancellation_passes_though_the_guard_turns_it_into_an_error(self):
        registry, after = Registry(), []
        registry.add(Script(Hang()).tool("t"))

        async def convert(call, inner):
            try:
                return await inner(call)
            except BaseException:
                raise RuntimeError("instead") from None

        registry.use(convert)

        with anyio.move_on_after(1) as scope:
            await registry.call("t")
            after.append("went on")

        assert scope.cancelled_caught
        assert after == []

    async def test_an_outer_cancellation_passes_two_guards_that_fail_on_the_way_out(self):
        registry, after = Registry(), []
        registry.add(Script(Hang()).tool("t"))

        async def picky(call, inner):
            try:
                return await inner(call)
            finally:
                raise OSError("my books")

        registry.use(picky, picky)

        with anyio.move_on_after(1) as scope:
            after.append(await registry.execute("t"))

        assert scope.cancelled_caught
        assert after == []

    async def test_the_end_of_the_program_is_nobodys_to_change(self):
        registry = Registry()
        registry.add(Script(Fail(SystemExit(3))).tool("t"))

        async def picky(call, inner):
            try:
                return await inner(call)
            finally:
                raise OSError("my books")

        registry.use(picky)

        with pytest.raises(SystemExit):
            await registry.execute("t")

    @pytest.mark.backends("asyncio")
    async def test_failing_while_inner_still_runs_says_that_the_outcome_is_unknown(self):
        registry, tasks = Registry(), []
        registry.add(Script(Give(1, after=1)).tool("t"))

        async def careless(call, inner):
            tasks.append(asyncio.create_task(inner(call)))
            await asyncio.sleep(0.5)
            raise KeyError("x")

        registry.use(careless)

        with pytest.raises(Denied) as caught:
            await registry.call("t")
        await tasks[0]

        assert caught.value.info.outcome_unknown

    async def test_the_tools_error_carries_no_trace_of_the_guards_fault(self):
        registry, error = Registry(), OSError("the tool's own")
        registry.add(Script(Fail(error)).tool("t"))

        async def books(call, inner):
            try:
                return await inner(call)
            finally:
                raise RuntimeError("the books could not be written")

        registry.use(books)

        with pytest.raises(OSError) as caught:
            await registry.call("t")

        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None

    async def test_an_outer_cancellation_passes_while_a_guard_waits_before_inner(self):
        registry, after = Registry(), []

        async def slow(call, inner):
            await anyio.sleep(50)
            return await inner(call)

        registry.add(Script(Give(1)).tool("t"))
        registry.use(slow)

        with anyio.move_on_after(1) as scope:
            after.append(await registry.execute("t"))

        assert scope.cancelled_caught
        assert after == []

    async def test_the_value_for_an_error_stands_where_observers_watch(self):
        registry = Registry()

        async def forgive(call, inner):
            try:
                return await inner(call)
            except OSError:
                return "nothing"

        registry.add(Script(Fail(OSError())).tool("t"))
        registry.use(Recorder(), forgive)

        assert await registry.call("t") == "nothing"

    @pytest.mark.backends("asyncio")
    async def test_failing_while_a_guard_inside_still_runs_is_a_refusal(self):
        registry, tasks = Registry(), []

        async def careless(call, inner):
            tasks.append(asyncio.create_task(inner(call)))
            await asyncio.sleep(0.5)
            raise KeyError("x")

        async def audit(call, inner):
            await inner(call)
            await asyncio.sleep(1)

        registry.add(Script(Give(1)).tool("t"))
        registry.use(careless, audit)

        result = await registry.execute("t")
        await tasks[0]

        assert result.error.code == "DENIED"


class TestFrozen:
    """Arguments that cannot change between check and use."""

    @staticmethod
    def checking(seen, needs_frozen):
        async def check(call, inner):
            seen.append(call.arguments["items"])
            return await inner(call)

        check.needs_frozen = needs_frozen
        return check

    @staticmethod
    def registry():
        registry = Registry()

        @registry.tool
        async def count(items: list) -> int:
            return len(items)

        return registry

    @pytest.mark.parametrize("needs_frozen", [True, False])
    async def test_containers_are_copied_before_the_guard_that_needs_it(self, needs_frozen):
        registry, seen, nested = self.registry(), [], {"deep": [1, (2, {3})]}
        registry.use(self.checking(seen, needs_frozen))

        await registry.call("count", items=[nested])

        assert seen == [[nested]]
        assert (seen[0][0] is not nested) == needs_frozen
        assert (seen[0][0]["deep"] is not nested["deep"]) == needs_frozen

    async def test_they_are_copied_once(self):
        registry, seen = self.registry(), []
        registry.use(*(self.checking(seen, needs) for needs in (False, True, True)))

        await registry.call("count", items=[[]])

        assert seen[0][0] is not seen[1][0]
        assert seen[1][0] is seen[2][0]

    async def test_arguments_that_are_nested_too_deeply_are_refused(self):
        registry, deep = self.registry(), []
        for _ in range(100_000):
            deep = [deep]
        registry.use(self.checking([], True))

        with pytest.raises(InvalidArguments, match="nested too deeply"):
            await registry.call("count", items=deep)

        while deep:  # or the interpreter frees it recursively
            deep = deep[0]

    async def test_nobody_can_assign_to_them(self):
        registry = self.registry()

        async def meddle(call, inner):
            with pytest.raises(TypeError):
                call.arguments["items"] = []
            return await inner(call)

        registry.use(meddle)

        assert await registry.call("count", items=[1]) == 1


class TestWhatCanBeAMiddleware:
    """Mistakes are told where they are made."""

    def test_a_class_instead_of_an_instance(self):
        with pytest.raises(TypeError, match=r"RetryMiddleware is a class; give an instance"):
            Registry().use(RetryMiddleware)

    @pytest.mark.parametrize("wrong", [5, "retry", ["retry"]])
    def test_something_that_cannot_be_called(self, wrong):
        with pytest.raises(
            TypeError,
            match=r"a middleware is `async \(call, inner\) -> value`, or has hooks, got (5|'retry')",
        ):
            Registry().use(wrong)

    def test_a_stage_that_is_none(self):
        async def wrong(call, inner):
            return await inner(call)

        wrong.stage = "act"
        with pytest.raises(TypeError, match="wrong.stage must be a Stage, got 'act'"):
            Registry().use(wrong)

    def test_a_listener_that_would_have_to_be_awaited(self):
        class Slow(Recorder):
            async def on_event(self, call, event):
                pass

        with pytest.raises(TypeError, match="Slow.on_event must be a plain `def`"):
            Registry().use(Slow())

    async def test_those_of_a_tool_are_checked_too(self):
        registry = Registry()
        registry.add(Script(Give()).tool("t", middleware=(RetryMiddleware,)))

        with pytest.raises(TypeError, match="give an instance"):
            await registry.call("t")


class TestCompose:
    """The same stages without a registry."""

    async def test_sorts_by_stage_and_keeps_the_order_inside_each(self):
        log = []
        stack = compose(
            *(logging_to(log, f"{stage.name}{n}", stage) for n in (1, 2) for stage in reversed(Stage))
        )

        await stack(Script(Give(1)).tool("t"))()

        entered = [entry[1:] for entry in log if entry[0] == "+"]
        assert entered == ["OBSERVE1", "OBSERVE2", "GUARD1", "GUARD2", "ACT1", "ACT2"]

    async def test_gives_an_async_function_of_the_same_parameters(self):
        @tool
        async def subtract(a: int, b: int = 1) -> int:
            return a - b

        safe = compose(TimeoutMiddleware(5))(subtract)

        assert await safe(5, b=2) == 3
        assert await safe(a=5) == 4
        assert safe.__name__ == "subtract"

    async def test_takes_arguments_of_every_kind_as_python_gives_them(self):
        @tool
        async def rest(a: int, **extra: int) -> tuple[int, dict[str, int]]:
            return a, extra

        @tool
        async def positional(a: int, b: int = 2, /) -> tuple[int, int]:
            return a, b

        @tool
        async def injected(a: int, call: Call) -> tuple[int, str]:
            return a, call.name

        bare = compose()

        assert await bare(rest)(1, x=2) == (1, {"x": 2})
        assert await bare(positional)(1) == (1, 2)
        assert await bare(injected)(1) == (1, "injected")
        assert await bare(injected)(a=1) == (1, "injected")

    async def test_its_call_is_the_running_one_and_completes_its_errors(self):
        async def look() -> None:
            assert running.get().name == "look"
            raise ToolFailed("seen")

        with pytest.raises(ToolFailed) as caught:
            await compose()(tool(look))()

        assert caught.value.info.tool == "look"
        assert running.get() is None

    async def test_validates_nothing(self):
        @tool
        async def show(n: int) -> str:
            return repr(n)

        assert await compose()(show)("five") == "'five'"

    async def test_reports_to_the_log(self, caplog):
        async def books(call, inner):
            await inner(call)
            raise RuntimeError("the books could not be written")

        value = await compose(books)(Script(Give(1)).tool("t"))()

        assert value == 1
        assert "GuardFailed in 't'" in caplog.text

    async def test_a_stack_can_be_used_by_a_registry(self):
        registry, log = Registry(), []
        stack = compose(logging_to(log, "a", Stage.ACT), logging_to(log, "b", Stage.OBSERVE))
        registry.add(Script(Give()).tool("t"))
        registry.use(stack)

        await registry.call("t")

        assert log == ["+b", "+a", "-a", "-b"]

    def test_a_stack_says_what_it_is_made_of(self):
        assert repr(compose(RetryMiddleware(), TimeoutMiddleware(1))) == (
            "compose(RetryMiddleware(3 attempts), TimeoutMiddleware(1 s))"
        )

    def test_a_chain_is_compiled_from_the_tool_alone(self):
        assert callable(compile_chain(Script(Give()).tool("t"), ()))

    async def test_inside_a_tool_its_call_is_a_child_of_that_tools(self):
        registry = Registry()

        @tool
        async def look(call: Call) -> str:
            return call.parent.name

        @registry.tool
        async def parent() -> str:
            return await compose()(look)()

        assert await registry.call("parent") == "parent"

    async def test_its_errors_count_the_time_from_the_start_of_the_call(self):
        await anyio.sleep(100)

        with pytest.raises(ToolFailed) as caught:
            await compose()(Script(Fail(ToolFailed("no"), after=2)).tool("t"))()

        assert caught.value.info.elapsed == pytest.approx(2)
