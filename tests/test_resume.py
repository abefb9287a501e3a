"""What goes on with a stream: which function can, what it is given, and to whom it is bound."""

from functools import partial

import pytest

from toolcase import Call, Registry, StreamChunk, tool
from toolcase.runtime import ConstantBackoff, RetryMiddleware, RetryPolicy

AGAIN = RetryMiddleware(RetryPolicy(max_attempts=4, backoff=ConstantBackoff(jitter=False)))


async def contents(registry, name, **arguments):
    async with registry.stream(name, **arguments) as stream:
        return [(chunk.index, chunk.content) async for chunk in stream]


def retrying(*tools):
    registry = Registry()
    registry.use(AGAIN)
    registry.add(*tools)
    return registry


async def test_is_given_the_last_chunk_as_the_tool_gave_it_and_the_arguments():
    seen = []

    async def go_on(cursor, path, /, *, first, call: Call):
        seen.append((cursor, path, first, call.name))
        yield "c"

    @tool(resume=go_on)
    async def tail(path: str, /, *, first: int = 10, call: Call):
        yield "a"
        yield StreamChunk("b", metadata={"offset": 17})
        raise ConnectionError

    assert await contents(retrying(tail), "tail", path="log") == [(0, "a"), (1, "b"), (2, "c")]
    assert seen == [(StreamChunk("b", 1, {"offset": 17}), "log", 10, "tail")]


async def test_goes_on_after_what_it_gave_itself():
    async def go_on(cursor):
        yield cursor.content + 1
        if cursor.content < 2:
            raise ConnectionError

    @tool(resume=go_on)
    async def count():
        yield 0
        raise ConnectionError

    assert await contents(retrying(count), "count") == [(0, 0), (1, 1), (2, 2), (3, 3)]


async def test_is_not_asked_before_the_first_chunk_and_where_one_value_is_wanted():
    starts = []

    async def go_on(cursor, late):
        yield "never"

    @tool(resume=go_on)
    async def count(late: bool):
        starts.append(late)
        if late:
            yield 0
        if len(starts) == 1:
            raise ConnectionError
        yield 1

    assert await contents(retrying(count), "count", late=False) == [(0, 1)]
    starts.clear()
    assert await retrying(count).call("count", late=True) == [0, 1]


class Log:
    def __init__(self, lines):
        self.lines = lines

    async def _go_on(self, cursor, most: int):
        for line in self.lines[cursor.index + 1 : most]:
            yield line

    @tool(resume=_go_on)
    async def tail(self, most: int = 9):
        yield self.lines[0]
        raise ConnectionError

    @classmethod
    async def _go_on_of_all(cls, cursor):
        yield cls.__name__

    @classmethod
    @tool(resume=_go_on_of_all.__func__)
    async def of_all(cls):
        yield "of"
        raise ConnectionError


async def test_of_a_method_is_a_method_of_the_same_object():
    log, other = Log(["a", "b", "c"]), Log(["x", "y"])
    registry = retrying(log.tail, other.tail.with_options(name="other"))

    assert await contents(registry, "tail", most=2) == [(0, "a"), (1, "b")]
    assert await contents(registry, "other") == [(0, "x"), (1, "y")]


async def test_of_a_class_method_is_one_of_the_same_class():
    registry = retrying(tool(Log.of_all, name="of_all"))

    assert await contents(registry, "of_all") == [(0, "of"), (1, "Log")]


async def test_may_be_bound_already():
    class Source:
        async def go_on(self, cursor):
            yield 1

    source = Source()

    async def count():
        yield 0
        raise ConnectionError

    assert await contents(retrying(tool(count, resume=source.go_on)), "count") == [(0, 0), (1, 1)]


async def test_that_is_bound_already_stays_with_its_own_object():
    class Kept:
        tail = Log(["a", "b"]).tail

    assert await contents(retrying(Kept().tail), "tail") == [(0, "a"), (1, "b")]


async def test_that_is_bound_to_another_object_than_its_tool_stays_with_that():
    class Kept:
        tail = Log(["a", "b"]).tail.with_options(resume=Log(["x", "y"])._go_on)

    assert await contents(retrying(Kept().tail), "tail") == [(0, "a"), (1, "y")]


async def test_of_a_static_method_is_bound_to_nobody():
    async def go_on(cursor):
        yield 1

    class Source:
        @tool(resume=go_on)
        @staticmethod
        async def count():
            yield 0
            raise ConnectionError

    assert await contents(retrying(Source().count), "count") == [(0, 0), (1, 1)]


async def test_is_given_what_a_partial_has_settled():
    async def go_on(cursor, prefix, word):
        yield prefix + word

    async def say(prefix: str, word: str):
        yield "-"
        raise ConnectionError

    said = tool(partial(say, "so "), resume=go_on)

    assert await contents(retrying(said), "say", word="it") == [(0, "-"), (1, "so it")]


def gives_one_value(path: str) -> str:
    return path


async def gives_chunks(path: str, *, first: int = 1):
    yield path


async def takes_no_cursor(path, first):
    yield path


async def takes_too_little(cursor, path):
    yield path


async def takes_too_much(cursor, path, first, last):
    yield path


async def takes_them_in_another_order(path, cursor, first):
    yield path


async def gives_a_value(cursor, path, first):
    return path


@pytest.mark.parametrize(
    ("function", "resume", "message"),
    [
        (gives_one_value, gives_chunks, r"'gives_one_value' gives one value; resume is for"),
        (gives_chunks, gives_a_value, r"must be a function that gives chunks too, .*, got <function"),
        (gives_chunks, "gives_chunks", r"must be a function .* got 'gives_chunks'"),
        (
            gives_chunks,
            takes_no_cursor,
            r"takes a cursor and then what the tool takes, \(cursor, path, first\): ",
        ),
        (gives_chunks, takes_too_little, "unexpected keyword argument 'first'"),
        (gives_chunks, takes_too_much, "missing a required argument: 'last'"),
        (gives_chunks, takes_them_in_another_order, "multiple values for argument 'path'"),
    ],
)
def test_what_cannot_go_on_is_refused_when_the_tool_is_made(function, resume, message):
    with pytest.raises(TypeError, match=message):
        tool(function, resume=resume)
    with pytest.raises(TypeError, match=message):
        tool(function).with_options(resume=resume)


def test_one_that_takes_anything_can():
    async def go_on(cursor, **arguments):
        yield arguments

    assert tool(gives_chunks, resume=go_on).resume is go_on
    assert tool(gives_chunks).resume is None


def test_only_a_first_parameter_is_the_object_of_a_method():
    async def compare(path: str, self: str):
        yield path

    async def go_on(cursor, path, self):
        yield path

    assert tool(compare, resume=go_on).resume is go_on
