"""Hooks on chunks: what they are told, what they may change, and that they fail closed."""

import asyncio
import contextlib
import gc

import anyio
import pytest

from toolcase import (
    CancellationToken,
    Denied,
    ExecutionContext,
    InvalidResult,
    Registry,
    RunCancelled,
    Stage,
    StreamChunk,
    StreamMiddleware,
    ToolFailed,
    tool,
)
from toolcase.chunk import StreamStopped
from toolcase.chunk_hooks import OwnHooks
from toolcase.clock import asyncio_task
from toolcase.events import GuardFailed, MiddlewareFailed
from toolcase.runtime import RetryMiddleware, TimeoutMiddleware, compose
from toolcase.testing import Fail, Give, Hang, Script, current_clock

BOTH = pytest.mark.parametrize("stage", [Stage.GUARD, Stage.OBSERVE])


class Heard:
    """Notes what it is told; with `on_chunk` set to a function that is what becomes of a chunk."""

    def __init__(self, stage=Stage.GUARD, **hooks):
        self.stage, self.told = stage, []
        self.hooks = hooks

    def _do(self, name, *facts):
        return self.hooks[name](*facts) if name in self.hooks else None

    def on_start(self, tool, params, ctx):
        self.told.append(("start", tool.name, dict(params)))
        self._do("on_start")

    def on_chunk(self, chunk, ctx):
        self.told.append(("chunk", chunk.content))
        return self.hooks.get("on_chunk", lambda chunk: chunk)(chunk)

    def on_complete(self, accumulated, ctx):
        self.told.append(("complete", accumulated))
        self._do("on_complete")

    def on_error(self, error, ctx):
        self.told.append(("error", error))
        self._do("on_error", error)

    def on_cancel(self, ctx):
        self.told.append(("cancel",))
        self._do("on_cancel")

    @property
    def names(self):
        return [entry[0] for entry in self.told]


def on_chunk(change, **attributes):
    """A middleware with this one hook."""
    return type("Changing", (), {"on_chunk": staticmethod(change), **attributes})()


def hosting(*used, chunks=("a", "b", "c"), error=None, **options):
    """A registry with these middleware, a tool `s` that streams, a plain one `p`, and what is reported."""
    registry, reports = Registry(), []
    registry.on_event(reports.append)
    registry.use(*used)

    @registry.tool(**options)
    async def s(many: int = len(chunks)):
        for chunk in chunks[:many]:
            yield chunk
        if error is not None:
            raise error

    registry.add(Script(Give("plain") if error is None else Fail(error)).tool("p"))
    return registry, reports


async def contents(stream):
    return [chunk.content async for chunk in stream]


# What they are told


@BOTH
async def test_hears_a_stream_from_its_start_to_its_end(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    assert await contents(registry.stream("s", many=2)) == ["a", "b"]

    assert heard.told == [("start", "s", {"many": 2}), ("chunk", "a"), ("chunk", "b"), ("complete", "ab")]


async def test_the_arguments_that_a_guard_is_given_are_validated_and_read_only():
    seen = []
    guard = type("Starts", (), {"on_start": lambda self, tool, params, ctx: seen.append((tool, params))})()
    registry, _ = hosting(guard)

    await registry.execute("s", {"many": "2"})

    assert seen[0][0] is registry.get("s")
    assert dict(seen[0][1]) == {"many": 2}
    with pytest.raises(TypeError):
        seen[0][1]["many"] = 3


@BOTH
@pytest.mark.parametrize("run", ["call", "execute"])
async def test_a_plain_value_is_one_chunk(stage, run):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    await getattr(registry, run)("p")

    assert heard.told == [("start", "p", {}), ("chunk", "plain"), ("complete", "plain")]


@BOTH
async def test_a_stream_that_is_collected_is_one_chunk_too(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    assert await registry.call("s") == "abc"

    assert heard.told[1:] == [("chunk", "abc"), ("complete", "abc")]


@BOTH
async def test_a_plain_tool_that_is_read_as_a_stream_has_one_chunk(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    assert await contents(registry.stream("p")) == ["plain"]

    assert heard.told[1:] == [("chunk", "plain"), ("complete", "plain")]


@BOTH
async def test_a_stream_that_nobody_reads_fires_nothing(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    async with registry.stream("s"):
        pass

    assert heard.told == []


@BOTH
@pytest.mark.parametrize("name", ["s", "p"])
async def test_hears_of_an_error_after_the_chunks_before_it(stage, name):
    heard, error = Heard(stage), OSError("gone")
    registry, _ = hosting(heard, error=error)

    with pytest.raises(OSError, match="gone"):
        await contents(registry.stream(name))

    assert heard.told[-1] == ("error", error)
    assert heard.names[1:-1] == ["chunk"] * (3 if name == "s" else 0)


@BOTH
async def test_a_reader_who_leaves_is_no_error(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard, buffer=1)

    async with registry.stream("s") as stream:
        await anext(stream)

    assert heard.names[-1] == "cancel"
    assert heard.names.count("cancel") == 1


@BOTH
async def test_a_sink_that_fails_counts_as_a_reader_who_left(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)

    def sink(chunk):
        raise OSError("pipe")

    with pytest.raises(OSError, match="pipe"):
        await registry.stream("s").stream_to(sink)

    assert heard.names == ["start", "chunk", "cancel"]


@BOTH
async def test_a_cancelled_call_is_told_as_such(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)
    registry.add(Script(Hang()).tool("hang"))

    with anyio.move_on_after(1):
        await registry.call("hang")

    assert heard.names == ["start", "cancel"]


@BOTH
async def test_a_run_that_is_called_off_is_a_cancellation(stage):
    heard, token = Heard(stage), CancellationToken()
    registry, _ = hosting(heard)

    @registry.tool
    async def stops() -> None:
        token.cancel("enough")
        await anyio.sleep(1)

    with pytest.raises(RunCancelled):
        await registry.execute("stops", context=ExecutionContext(cancellation=token))

    assert heard.names == ["start", "cancel"]


@BOTH
async def test_the_end_of_the_program_is_a_cancellation(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard, error=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        await registry.call("p")

    assert heard.names == ["start", "cancel"]


@BOTH
async def test_a_limit_of_time_inside_is_an_error(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard, TimeoutMiddleware(2))
    registry.add(Script(Hang()).tool("hang"))

    await registry.execute("hang")

    assert heard.names == ["start", "error"]


@BOTH
async def test_begins_once_however_often_the_tool_is_tried(stage):
    heard, script = Heard(stage), Script(Fail(ConnectionError()), Give("late"))
    registry, _ = hosting(heard, RetryMiddleware())
    registry.add(script.tool("flaky"))

    await registry.call("flaky")

    assert heard.names == ["start", "chunk", "complete"]
    assert len(script.starts) == 2


@BOTH
async def test_a_name_that_is_no_tool_is_not_told(stage):
    heard = Heard(stage)
    registry, reports = hosting(heard)

    result = await registry.execute("nobody")

    assert (result.error.code.value, heard.told, reports) == ("UNKNOWN_TOOL", [], [])


async def test_an_observer_hears_of_arguments_that_are_refused():
    guard, observer = Heard(), Heard(Stage.OBSERVE)
    registry, _ = hosting(guard, observer)

    await registry.execute("s", {"many": "x"})

    assert observer.names == ["start", "error"]
    assert guard.told == []


async def test_an_observer_sees_what_goes_out():
    guard, observer = Heard(on_chunk=lambda chunk: StreamChunk(chunk.content * 2)), Heard(Stage.OBSERVE)
    registry, _ = hosting(guard, observer)

    assert await contents(registry.stream("s")) == ["aa", "bb", "cc"]

    assert [entry[1] for entry in observer.told if entry[0] == "chunk"] == ["aa", "bb", "cc"]


async def test_hooks_may_wait():
    told = []

    class Waits:
        async def on_start(self, tool, params, ctx):
            await anyio.sleep(1)
            told.append(tool.name)

        async def on_chunk(self, chunk, ctx):
            await anyio.sleep(1)
            return StreamChunk(chunk.content.upper(), chunk.index)

        async def on_complete(self, accumulated, ctx):
            await anyio.sleep(1)
            told.append(accumulated)

    registry, _ = hosting(Waits())
    began = current_clock().now

    assert await contents(registry.stream("s")) == ["A", "B", "C"]

    assert told == ["s", "ABC"]
    assert current_clock().now - began == pytest.approx(5)


async def test_a_plain_hook_may_give_something_to_wait_for():
    async def later(chunk):
        return [chunk]

    registry, _ = hosting(on_chunk(lambda chunk, ctx: later(chunk)))

    assert await contents(registry.stream("s")) == ["a", "b", "c"]


async def test_each_middleware_and_call_has_a_dict_of_its_own():
    seen = []

    class Counts:
        def on_start(self, tool, params, ctx):
            assert ctx == {}
            ctx["chunks"] = 0

        def on_chunk(self, chunk, ctx):
            ctx["chunks"] += 1
            return chunk

        def on_complete(self, accumulated, ctx):
            seen.append((ctx["chunks"], ctx.call.name, ctx.call.context.trace_id != ""))

    registry, _ = hosting(Counts(), Counts())

    await contents(registry.stream("s"))
    await contents(registry.stream("s", many=1))

    assert seen == [(3, "s", True)] * 2 + [(1, "s", True)] * 2


# What goes on


async def test_what_passes_untouched_is_the_same_object():
    given = [StreamChunk("a", 0, {"k": 1}), StreamChunk(b"", 1), StreamChunk({"n": []}, 2)]
    registry, _ = hosting(on_chunk(lambda chunk, ctx: chunk), Heard(), chunks=given)

    read = [chunk async for chunk in registry.stream("s")]

    assert all(one is other for one, other in zip(read, given, strict=True))


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (lambda chunk, ctx: None if chunk.content == "b" else chunk, ["a", "c"]),
        (lambda chunk, ctx: [], []),
        (lambda chunk, ctx: [chunk.content, StreamChunk("-")], ["a", "-", "b", "-", "c", "-"]),
    ],
)
async def test_a_chunk_may_be_dropped_or_become_several(change, read):
    registry, _ = hosting(on_chunk(change))

    chunks = [chunk async for chunk in registry.stream("s")]

    assert [chunk.content for chunk in chunks] == read
    assert [chunk.index for chunk in chunks] == list(range(len(read)))


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (lambda chunk, ctx: StreamChunk(chunk.content.upper()), "PLAIN"),
        (lambda chunk, ctx: ["a", "b"], "ab"),
        (lambda chunk, ctx: ["a", 1], ["a", 1]),
        (lambda chunk, ctx: None, None),
    ],
)
async def test_of_a_plain_value_one_value_is_made(change, value):
    registry, _ = hosting(on_chunk(change))

    assert await registry.call("p") == value
    assert (await registry.execute("p")).value == value
    assert (await registry.stream("p").collect()) == value


async def test_a_value_that_something_inside_gives_for_a_stream_goes_through_the_hook():
    async def remembered(call, inner):
        return "from memory"

    remembered.stage = Stage.ACT
    heard = Heard(Stage.OBSERVE)
    upper = on_chunk(lambda chunk, ctx: StreamChunk(chunk.content.upper()))
    registry, _ = hosting(heard, upper, remembered)
    stream = registry.stream("s")

    assert await contents(stream) == ["FROM MEMORY"]
    assert stream.result.value == "FROM MEMORY"
    assert heard.told[1:] == [("chunk", "FROM MEMORY"), ("complete", "FROM MEMORY")]


@BOTH
async def test_a_plain_tool_that_gives_nothing_has_one_chunk_too(stage):
    heard = Heard(stage)
    registry, _ = hosting(heard)
    registry.add(Script(Give(None)).tool("nothing"))

    await registry.call("nothing")

    assert heard.told[1:] == [("chunk", None), ("complete", [None])]


async def test_a_subclass_of_a_chunk_is_one():
    class Marked(StreamChunk, frozen=True):
        pass

    registry, _ = hosting(on_chunk(lambda chunk, ctx: Marked(chunk.content)))

    assert await contents(registry.stream("s")) == ["a", "b", "c"]


async def test_what_an_observer_gives_is_ignored():
    registry, reports = hosting(on_chunk(lambda chunk, ctx: "other", stage=Stage.OBSERVE))

    assert await contents(registry.stream("s")) == ["a", "b", "c"]
    assert await registry.call("p") == "plain"
    assert reports == []


class HoldsBack:
    """Lets each character pass when the next one has come."""

    def on_chunk(self, chunk, ctx):
        held = ctx.get("held", "") + chunk.content
        ctx["held"] = held[-1:]
        return [held[:-1]] if held[:-1] else None

    def on_complete(self, accumulated, ctx):
        return [ctx["held"]] if ctx.get("held") else None


async def test_what_was_held_back_goes_out_last():
    registry, reports = hosting(HoldsBack(), Heard())

    assert await contents(registry.stream("s")) == ["a", "b", "c"]
    assert await contents(registry.stream("s", many=0)) == []
    assert (await registry.call("s"), await registry.call("p")) == ("abc", "plain")
    assert await registry.stream("p").collect() == "plain"
    assert reports == []


@pytest.mark.parametrize("most", [0, 100])
async def test_what_sees_no_chunks_may_add_one(most):
    async def adds(self, accumulated, ctx):
        return StreamChunk("!")

    registry, _ = hosting(type("Adds", (), {"on_complete": adds, "most_accumulated": most})())

    assert await contents(registry.stream("s")) == ["a", "b", "c", "!"]
    assert (await registry.call("s"), await registry.call("p")) == ("abc!", "plain!")


@pytest.mark.parametrize("most", [0, 100])
async def test_what_is_added_to_a_value_in_the_place_of_chunks_does_not_replace_it(most):
    async def cached(call, inner):
        return "cached"

    cached.stage = Stage.ACT
    adds = {"on_complete": lambda self, accumulated, ctx: ["!"], "most_accumulated": most}
    registry, _ = hosting(type("Adds", (), adds)(), cached)

    assert await registry.stream("s").collect() == "cached!"


async def test_anything_else_at_the_end_is_the_guard_s_own_fault():
    registry, reports = hosting(type("Odd", (), {"on_complete": lambda self, accumulated, ctx: "odd"})())

    assert await registry.call("p") == "plain"
    assert "on_complete what is to go out last" in str(reports[0].error)


# What is kept


@pytest.mark.parametrize(
    ("chunks", "accumulated"),
    [((b"a", b"b"), b"ab"), (("a", 1), ["a", 1]), ((), []), (("ä" * 4,), "ä" * 4)],
)
async def test_gives_all_that_passed_at_the_end(chunks, accumulated):
    heard = Heard()
    registry, _ = hosting(heard, chunks=chunks)

    await contents(registry.stream("s"))

    assert heard.told[-1] == ("complete", accumulated)


@pytest.mark.parametrize(("most", "accumulated"), [(8, "ä" * 4), (7, None), (0, None)])
@BOTH
async def test_no_more_bytes_are_kept_than_the_middleware_says(stage, most, accumulated):
    heard = Heard(stage)
    heard.most_accumulated = most
    registry, _ = hosting(heard, chunks=("ä", "ä", "ä", "ä"))

    await contents(registry.stream("s"))

    assert heard.told[-1] == ("complete", accumulated)


async def test_a_mebibyte_is_kept_unless_it_says_otherwise():
    heard = Heard()
    registry, _ = hosting(heard, chunks=("a" * 1024 * 1023, "b" * 1024, "c"))

    await contents(registry.stream("s", many=2))
    await contents(registry.stream("s"))

    assert [len(entry[1]) if entry[1] else None for entry in heard.told if entry[0] == "complete"] == [
        1024 * 1024,
        None,
    ]


@pytest.mark.parametrize(("many", "accumulated"), [(1, "a"), (2, None)])
async def test_a_byte_is_kept_of_what_it_does_not_see_where_it_asks_for_no_more(many, accumulated):
    told = []
    hooks = {"on_complete": lambda self, accumulated, ctx: told.append(accumulated), "most_accumulated": 1}
    registry, _ = hosting(type("Completes", (), hooks)())

    await contents(registry.stream("s", many=many))

    assert told == [accumulated]


def test_nothing_is_kept_for_what_is_not_told_at_the_end():
    assert OwnHooks(on_chunk(lambda chunk, ctx: chunk)).most == 0


async def test_a_middleware_that_only_starts_hears_of_an_end_that_nobody_is_told():
    started = []
    starts = type("Starts", (), {"on_start": lambda self, *facts: started.append(facts[0].name)})()
    registry, _ = hosting(starts, error=OSError("gone"))

    with pytest.raises(OSError, match="gone"):
        await registry.call("p")
    registry.add(Script(Hang()).tool("hang"))
    with anyio.move_on_after(1):
        await registry.call("hang")

    assert started == ["p", "hang"]


async def test_what_has_no_on_chunk_is_given_all_the_same():
    told = []
    ends = type("Ends", (), {"on_complete": lambda self, accumulated, ctx: told.append(accumulated)})()
    registry, _ = hosting(ends)

    assert await contents(registry.stream("s")) == ["a", "b", "c"]
    await registry.call("p")

    assert told == ["abc", "plain"]


@BOTH
async def test_a_hook_that_is_lacking_costs_nothing(stage):
    seen, outer = [], []

    async def look(call, inner):
        seen.append(call.emit)
        return await inner(call)

    async def before(call, inner):
        outer.append(call.emit)
        return await inner(call)

    before.stage = look.stage = stage
    starts = type("Starts", (), {"on_start": lambda *facts: None, "stage": stage})()
    ends = type("Ends", (), {"on_complete": lambda *facts: None, "stage": stage, "most_accumulated": 0})()
    registry, _ = hosting(before, starts, ends, StreamMiddlewareWithAnEnd(stage), look)

    await contents(registry.stream("s"))

    assert seen == outer


class StreamMiddlewareWithAnEnd(StreamMiddleware):
    def __init__(self, stage):
        self.stage = stage

    def on_error(self, error, ctx):
        """Hears of errors alone."""


# Where a hook of a guard fails


async def test_a_guard_that_cannot_begin_refuses_the_call():
    script = Script(Give(1))
    heard = Heard(on_start=lambda: 1 / 0)
    registry, _ = hosting(heard)
    registry.add(script.tool("t"))

    with pytest.raises(Denied, match="could not be completed") as refused:
        await registry.call("t")

    assert isinstance(refused.value.__cause__, ZeroDivisionError)
    assert script.starts == []
    assert heard.names == ["start", "error"]


async def test_an_error_of_ours_at_the_start_passes_as_it_is():
    error = ToolFailed("not now")

    def refuse():
        raise error

    registry, _ = hosting(Heard(on_start=refuse))

    assert (await registry.execute("s")).error.cause is error


def failing_at(content, error):
    def change(chunk):
        if chunk.content == content:
            raise error
        return chunk

    return change


async def test_a_chunk_that_could_not_be_checked_does_not_pass():
    closed = []
    heard, observer = Heard(on_chunk=failing_at("b", KeyError("rules"))), Heard(Stage.OBSERVE)
    registry, reports = hosting(observer, heard, RetryMiddleware())

    @registry.tool(idempotent=True)
    async def t():
        try:
            for chunk in "abc":
                yield chunk
        finally:
            closed.append(True)

    read, stream = [], registry.stream("t")
    with pytest.raises(Denied, match="a chunk of it could not be checked") as refused:
        async for chunk in stream:
            read.append(chunk.content)

    assert (read, closed) == (["a"], [True])
    assert isinstance(refused.value.__cause__, KeyError)
    assert (stream.result.attempts, stream.result.error.outcome_unknown) == (1, True)
    assert heard.told[1:] == [("chunk", "a"), ("chunk", "b"), ("error", refused.value)]
    assert observer.told[1:] == [("chunk", "a"), ("error", refused.value)]
    assert reports == []


@pytest.mark.parametrize("name", ["s", "p"])
@pytest.mark.parametrize("run", ["call", "stream"])
async def test_an_error_of_ours_in_on_chunk_is_the_call_s(name, run):
    error = InvalidResult("a card number")

    def refuse(chunk):
        raise error

    heard = Heard(on_chunk=refuse)
    registry, _ = hosting(heard)

    with pytest.raises(InvalidResult) as raised:
        await (registry.call(name) if run == "call" else registry.stream(name).collect())

    assert raised.value is error
    assert heard.names == ["start", "chunk", "error"]
    assert error.info.outcome_unknown is (name == "s" and run == "stream")


async def test_a_plain_value_that_could_not_be_checked_does_not_pass():
    registry, reports = hosting(Heard(on_chunk=lambda chunk: chunk.content.no_such_thing))

    result = await registry.execute("p")

    assert (result.value, result.error.code.value, result.error.outcome_unknown) == (None, "DENIED", True)
    assert "its result could not be checked" in result.error.message
    assert reports == []


@pytest.mark.parametrize("given", ["text", 5, ("a",), {"content": "a"}])
async def test_anything_else_than_chunks_is_refused(given):
    registry, _ = hosting(on_chunk(lambda chunk, ctx: given))

    with pytest.raises(Denied) as refused:
        await registry.call("s")

    assert "on_chunk gives a StreamChunk, a list of them, or None" in str(refused.value.__cause__)
    assert "text" not in str(refused.value.__cause__)


async def swallows(call, inner):
    try:
        return await inner(call)
    except BaseException as error:
        if not isinstance(error, StreamStopped):
            raise
        return "something else"


async def converts(call, inner):
    try:
        return await inner(call)
    except StreamStopped as error:
        raise RuntimeError("something else") from error


async def groups(call, inner):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 100)
        value = await inner(call)
        tasks.cancel_scope.cancel()
    return value


async def cancels(call, inner):
    with anyio.CancelScope() as scope:
        try:
            return await inner(call)
        except StreamStopped:
            scope.cancel()
            await anyio.sleep(1)


@pytest.mark.parametrize("between", [swallows, converts, groups, cancels])
@pytest.mark.parametrize("stage", [Stage.GUARD, Stage.ACT])
async def test_whatever_comes_of_the_stopped_tool_the_hook_s_error_is_the_call_s(between, stage):
    async def standing(call, inner):
        return await between(call, inner)

    standing.stage = stage
    heard = Heard(on_chunk=failing_at("b", OSError()))
    registry, _ = hosting(heard, standing)
    stream, read = registry.stream("s"), []

    with pytest.raises(Denied):
        async for chunk in stream:
            read.append(chunk.content)

    assert read == ["a"]
    assert heard.names == ["start", "chunk", "chunk", "error"]


async def test_a_tool_that_goes_on_giving_is_stopped_again():
    async def insists(call, inner):
        for _ in range(2):
            with contextlib.suppress(StreamStopped):
                await inner(call)

    insists.stage = Stage.ACT
    heard = Heard(on_chunk=failing_at("a", OSError()))
    registry, _ = hosting(heard, insists)

    with pytest.raises(Denied):
        await contents(registry.stream("s"))

    assert heard.names == ["start", "chunk", "error"]


async def test_a_guard_further_out_that_wants_no_more_is_a_cancellation_further_in():
    outer, inner = Heard(on_chunk=failing_at("b", OSError())), Heard()
    registry, _ = hosting(outer, inner, swallows)

    with pytest.raises(Denied):
        await contents(registry.stream("s"))

    assert inner.names == ["start", "chunk", "chunk", "cancel"]


async def test_a_value_that_comes_after_the_reader_has_left_goes_nowhere():
    inner = Heard()
    registry, _ = hosting(Heard(on_chunk=failing_at("a", OSError())), inner, swallows)

    await registry.stream("s").stream_to(lambda chunk: None)

    assert ("chunk", "something else") not in inner.told


@BOTH
async def test_a_reader_who_left_has_left_whatever_comes_of_the_tool(stage):
    def leaves(chunk):
        raise OSError

    heard = Heard(stage)
    registry, _ = hosting(heard, swallows)

    with pytest.raises(OSError):
        await registry.stream("s").stream_to(leaves)

    assert heard.names == ["start", "chunk", "cancel"]


@pytest.mark.backends("asyncio")
async def test_a_cancellation_that_came_from_inside_loses_to_a_hook_s_error():
    async def cancelled(call, inner):
        try:
            return await inner(call)
        except StreamStopped:
            raise asyncio.CancelledError from None

    registry, _ = hosting(Heard(on_chunk=failing_at("a", OSError())), cancelled)

    with pytest.raises(Denied):
        await contents(registry.stream("s"))


@pytest.mark.parametrize("native", [False, True])
async def test_a_cancellation_from_outside_wins_over_a_hook_s_error(native):
    scope, task = anyio.CancelScope(), asyncio_task()

    def fail(chunk):
        if native and task is not None:
            task.cancel()
        else:
            scope.cancel()
        raise OSError

    heard = Heard(on_chunk=fail)
    registry, _ = hosting(heard)

    @registry.tool
    async def t():
        try:
            yield "a"
        finally:
            await anyio.sleep(1)

    ended = []
    try:
        with scope:
            await registry.stream("t").stream_to(lambda chunk: None)
            ended.append("refused")
    except anyio.get_cancelled_exc_class():
        assert native
        task.uncancel()

    assert ended == []
    assert heard.names == ["start", "chunk", "cancel"]


async def test_the_end_of_the_program_wins_over_a_hook_s_error():
    async def ends(call, inner):
        async with anyio.create_task_group():
            try:
                await inner(call)
            finally:
                raise KeyboardInterrupt

    heard = Heard(on_chunk=failing_at("a", OSError()))
    registry, _ = hosting(heard, ends)

    with pytest.raises(BaseExceptionGroup) as ended:
        await registry.stream("s").stream_to(lambda chunk: None)

    assert ended.group_contains(KeyboardInterrupt)
    assert heard.names == ["start", "chunk", "cancel"]


# The last hook of a guard


@pytest.mark.parametrize("name", ["s", "p"])
async def test_an_error_of_ours_at_the_end_is_the_call_s(name):
    error = InvalidResult("incomplete")

    def refuse():
        raise error

    heard = Heard(on_complete=refuse)
    registry, _ = hosting(heard)

    result = await registry.execute(name)

    assert result.error.cause is error
    assert heard.names == ["start", "chunk", "complete"]


async def test_any_other_error_at_the_end_is_reported_and_what_the_hooks_made_of_the_value_stands():
    heard = Heard(on_chunk=lambda chunk: StreamChunk("redacted"), on_complete=lambda: 1 / 0)
    registry, reports = hosting(heard)

    assert await registry.call("p") == "redacted"

    assert [(type(each), each.middleware) for each in reports] == [(GuardFailed, heard)]
    assert heard.names == ["start", "chunk", "complete"]


async def test_on_error_may_give_another_error():
    def instead(error):
        raise ToolFailed("try the other one")

    registry, _ = hosting(Heard(on_error=instead), error=OSError("secret"))

    with pytest.raises(ToolFailed, match="the other one") as raised:
        await registry.call("p")

    assert isinstance(raised.value.__cause__, OSError)


async def test_on_error_may_wait_before_it_gives_another():
    class Maps:
        async def on_error(self, error, ctx):
            await anyio.sleep(1)
            raise ToolFailed("later")

    registry, _ = hosting(Maps(), error=OSError("secret"))

    with pytest.raises(ToolFailed, match="later"):
        await registry.call("p")


async def test_on_error_may_say_what_caused_the_other_error():
    def instead(error):
        raise ToolFailed("no") from LookupError("this")

    registry, _ = hosting(Heard(on_error=instead), error=OSError("secret"))

    with pytest.raises(ToolFailed) as raised:
        await registry.call("p")

    assert isinstance(raised.value.__cause__, LookupError)


@BOTH
@pytest.mark.parametrize("error", [OSError("gone"), ToolFailed("gone")])
async def test_on_error_may_raise_what_it_was_told(stage, error):
    def again(error):
        raise error

    registry, reports = hosting(Heard(stage, on_error=again), error=error)

    assert (await registry.execute("p")).error.cause is error
    assert (reports, error.__cause__) == ([], None)


async def test_another_fault_of_on_error_is_reported():
    heard, error = Heard(on_error=lambda error: 1 / 0), OSError("gone")
    registry, reports = hosting(heard, error=error)

    assert (await registry.execute("p")).error.cause is error
    assert [type(each) for each in reports] == [GuardFailed]


async def test_what_the_other_hooks_of_a_guard_give_is_ignored():
    hooks = {"on_start": lambda self, tool, params, ctx: "odd", "on_cancel": lambda self, ctx: "odd"}
    registry, reports = hosting(type("Odd", (), hooks)())
    registry.add(Script(Hang()).tool("hang"))

    assert await registry.call("p") == "plain"
    with anyio.move_on_after(1):
        await registry.call("hang")
    assert reports == []


@BOTH
@pytest.mark.parametrize("fault", [ZeroDivisionError(), ToolFailed()])
async def test_a_fault_of_on_cancel_is_reported_and_the_cancellation_goes_on(stage, fault):
    def fail():
        raise fault

    registry, reports = hosting(Heard(stage, on_cancel=fail))
    registry.add(Script(Hang()).tool("hang"))

    with anyio.move_on_after(1) as scope:
        await registry.call("hang")

    assert scope.cancelled_caught
    assert [each.error for each in reports] == [fault]


@pytest.mark.parametrize(("seconds", "done"), [(0.5, True), (5, False)])
@BOTH
async def test_on_cancel_has_a_second_to_clean_up(stage, seconds, done):
    cleaned = []

    class Cleans:
        async def on_cancel(self, ctx):
            await anyio.sleep(seconds)
            cleaned.append(True)

    cleans = Cleans()
    cleans.stage = stage
    registry, reports = hosting(cleans)
    registry.add(Script(Hang()).tool("hang"))
    began = current_clock().now

    with anyio.move_on_after(1):
        await registry.call("hang")

    assert bool(cleaned) is done
    assert current_clock().now - began == pytest.approx(1 + min(seconds, 1))
    assert [str(each.error) for each in reports] == ([] if done else ["on_cancel took longer than 1 s"])


@BOTH
def test_a_call_that_is_closed_with_its_loop_tells_what_can_be_told(stage):
    told = Heard(stage)

    class Waits:
        async def on_cancel(self, ctx):
            raise AssertionError("there is no loop to wait in")

    waits = Waits()
    waits.stage = stage

    class Gives:
        def on_cancel(self, ctx):
            return 5

    @tool
    async def forever() -> None:
        await Never()

    closing = compose(told, waits, Gives())(forever)()
    closing.send(None)
    closing.close()
    gc.collect()

    assert told.names == ["start", "cancel"]


class Never:
    def __await__(self):
        yield


# Where a hook of an observer fails


@pytest.mark.parametrize("name", ["s", "p"])
@pytest.mark.parametrize(
    ("hook", "heard_names"),
    [
        ("on_start", ["start"]),
        ("on_chunk", ["start", "chunk"]),
        ("on_complete", ["start", "chunk", "complete"]),
    ],
)
async def test_an_observer_that_fails_is_reported_once_and_hears_no_more(name, hook, heard_names):
    fault = ToolFailed("mine")

    def fail(*facts):
        raise fault

    observer = Heard(Stage.OBSERVE, **{hook: fail})
    registry, reports = hosting(observer, chunks=("a",))

    assert await contents(registry.stream(name)) == ["a" if name == "s" else "plain"]

    assert observer.names == heard_names
    assert [(type(each), each.middleware, each.error) for each in reports] == [
        (MiddlewareFailed, observer, fault)
    ]


async def test_an_observer_that_failed_is_not_told_of_the_cancellation():
    observer = Heard(Stage.OBSERVE, on_start=lambda: 1 / 0)
    registry, _ = hosting(observer)
    registry.add(Script(Hang()).tool("hang"))

    with anyio.move_on_after(1):
        await registry.call("hang")

    assert observer.names == ["start"]


@pytest.mark.parametrize("hook", ["on_start", "on_chunk", "on_complete"])
async def test_an_observer_that_takes_too_long_hears_no_more(hook):
    async def waits(self, *facts):
        await anyio.sleep(3)

    observer = type("Waits", (), {hook: waits, "stage": Stage.OBSERVE})()
    registry, reports = hosting(observer)
    began, stream = current_clock().now, registry.stream("s")

    assert await contents(stream) == ["a", "b", "c"]

    assert current_clock().now - began == pytest.approx(1)
    assert [str(each.error) for each in reports] == [f"{hook} took longer than 1 s"]


async def test_an_observer_that_takes_too_long_is_nothing_to_the_call():
    async def waits(self, error, ctx):
        await anyio.sleep(3)

    observer = type("Waits", (), {"on_error": waits, "stage": Stage.OBSERVE})()
    registry, _ = hosting(observer, error=ToolFailed("no"))

    result = await registry.execute("p")

    assert result.error.outcome_unknown is False


async def test_a_limit_of_time_that_an_observer_sets_itself_is_its_own_fault():
    async def on_start(self, tool, params, ctx):
        await compose(TimeoutMiddleware(0.2))(Script(Hang()).tool("its_own"))()

    observer = type("Calls", (), {"on_start": on_start, "stage": Stage.OBSERVE})()
    registry, reports = hosting(observer)

    assert await registry.call("p") == "plain"
    assert [each.error.kind for each in reports] == ["attempt"]


async def test_an_observer_that_waits_for_something_cancelled_does_not_cancel_the_call():
    async def waits_for_it(chunk):
        if asyncio_task() is None:
            raise RuntimeError("a task of trio cannot see another one's cancellation")
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    observer = Heard(Stage.OBSERVE, on_chunk=waits_for_it)
    registry, reports = hosting(observer)

    assert await contents(registry.stream("s")) == ["a", "b", "c"]

    assert [type(report.error) for report in reports] == [RuntimeError]


async def test_a_call_that_is_cancelled_while_a_hook_waits_is_left():
    async def on_start(self, tool, params, ctx):
        await anyio.sleep(0.5)

    for stage in (Stage.GUARD, Stage.OBSERVE):
        heard = Heard(stage)
        heard.on_start = on_start.__get__(heard)
        registry, _ = hosting(heard)

        with anyio.move_on_after(0.2) as scope:
            await registry.call("p")

        assert scope.cancelled_caught
        assert heard.names == ["cancel"]


# Which objects


def test_shows_the_object_itself():
    guard, observer = Heard(), Heard(Stage.OBSERVE)
    registry, _ = hosting(compose(guard, observer))

    assert registry.around("p") == {Stage.OBSERVE: [observer], Stage.GUARD: [guard]}
    assert "p | OBSERVE Heard | GUARD Heard" in str(registry)
    assert repr(compose(guard)) == "compose(Heard)"


async def test_a_tool_may_have_its_own():
    registry, _ = hosting(middleware=[on_chunk(lambda chunk, ctx: StreamChunk(chunk.content + "!"))])

    assert await contents(registry.stream("s")) == ["a!", "b!", "c!"]


async def test_works_without_a_registry():
    run = compose(on_chunk(lambda chunk, ctx: StreamChunk(chunk.content + "!")))(Script(Give("a")).tool("t"))

    assert await run() == "a!"


async def test_an_observer_with_hooks_may_listen_to_events_too():
    events = []
    observer = Heard(Stage.OBSERVE)
    observer.on_event = lambda call, event: events.append(type(event).__name__)
    registry, _ = hosting(observer, RetryMiddleware())

    await registry.call("p")

    assert events == ["AttemptStarted"]


class Neither(StreamMiddleware):
    """Has only what it inherits."""


class BothForms(Heard):
    async def __call__(self, call, inner):
        return await inner(call)


class Greedy(Heard):
    most_accumulated = -1


class Vague(Heard):
    most_accumulated = "1 MiB"


class Yields:
    async def on_start(self, tool, params, ctx):
        raise AssertionError("never run")
        yield


class Generates:
    def on_chunk(self, chunk, ctx):
        yield chunk


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (Neither(), TypeError, "or has hooks, got"),
        (BothForms(), TypeError, "BothForms has hooks such as on_chunk and is callable as well"),
        (Heard(Stage.ACT), TypeError, "Heard has hooks, .* set its stage to GUARD or OBSERVE"),
        (Heard, TypeError, "Heard is a class; give an instance"),
        (Greedy(), ValueError, "Greedy.most_accumulated must be at least 0, got -1"),
        (Vague(), TypeError, "Vague.most_accumulated must be a number, got '1 MiB'"),
        (Yields(), TypeError, "Yields.on_start has a `yield`; .* with `return`"),
        (Generates(), TypeError, "Generates.on_chunk has a `yield`; .* with `return`"),
    ],
)
def test_what_cannot_be_one_is_refused_when_it_is_used(made, error, said):
    with pytest.raises(error, match=said):
        Registry().use(made)


class Collecting(list):
    def on_chunk(self, chunk, ctx):
        self.append(chunk.content)


@pytest.mark.parametrize("where", ["registry", "tool", "compose"])
async def test_what_has_hooks_is_a_middleware_even_if_one_can_iterate_over_it(where):
    guard = Collecting()
    options = {"middleware": [guard]} if where == "tool" else {}
    registry, _ = hosting(*{"registry": [guard], "tool": [], "compose": [compose(guard)]}[where], **options)

    assert await contents(registry.stream("s")) == []

    assert guard == ["a", "b", "c"]


async def test_hooks_that_are_inherited_change_nothing():
    hooks = StreamMiddleware()
    chunk = StreamChunk("a")

    assert hooks.on_chunk(chunk, {}) is chunk
    assert hooks.on_start(None, {}, {}) is hooks.on_complete(None, {}) is hooks.on_error(None, {}) is None
    assert hooks.on_cancel({}) is None
