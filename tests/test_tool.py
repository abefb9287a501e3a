"""A tool stays its function, and says what was declared of it."""

import asyncio
import copy
import doctest
import functools
import inspect
import pickle
import types
import typing
import weakref
from enum import Enum

import pytest

from toolcase import Registry, tool
from toolcase.tool import Kind, Tool, tool_of
from toolcase.tool_options import ToolOptions


@tool
def add(first: int, second: int = 2) -> int:
    """Add two numbers.

    >>> add(1)
    3

    Args:
        first: one of them
    """
    return first + second


@tool
async def fetch(key: str) -> str:
    """Fetch."""
    return key


@tool
async def count(to: int):
    """Count."""
    for number in range(to):
        yield number


class Account:
    """Something with methods."""

    def __init__(self, balance=0):
        self.balance = balance

    @tool(name="pay_in", timeout=5, read_only=False)
    async def pay(self, amount: int) -> int:
        """Pay in."""
        return self.balance + amount

    @tool
    @staticmethod
    async def rate(currency: str = "EUR") -> str:
        """Look up."""
        return currency

    @staticmethod
    @tool
    def fee(amount: int) -> int:
        """Charge."""
        return amount

    @classmethod
    @tool
    def opened(cls, amount: int) -> int:
        """Open."""
        return cls(amount).balance


class Doubler:
    """Double a number."""

    async def __call__(self, number: int) -> int:
        return 2 * number


class Bare:
    def __call__(self, number: int) -> int:
        """Documented on the method."""
        return number


def plain(value):
    """Give it back."""
    return value


def passed_on(function):
    """A decorator as they are commonly written."""

    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


class TestFunction:
    """What worked with the function works with the tool."""

    def test_is_called_as_the_function(self):
        assert add(1, second=4) == 5

    async def test_is_awaited_as_the_function(self):
        assert await fetch("a") == "a"

    async def test_is_iterated_as_the_function(self):
        assert [number async for number in count(3)] == [0, 1, 2]

    def test_gives_the_function_back(self):
        function = tool(plain).function

        assert function is plain
        assert not hasattr(plain, "schema")

    def test_has_the_signature_and_the_hints(self):
        assert str(inspect.signature(add)) == "(first: int, second: int = 2) -> int"
        assert typing.get_type_hints(add) == {"first": int, "second": int, "return": int}

    def test_has_the_names(self):
        assert (add.__name__, add.__qualname__, add.__module__) == ("add", "add", __name__)

    def test_is_taken_for_a_function(self):
        assert inspect.isfunction(add)
        assert isinstance(add, Tool)

    def test_is_taken_for_a_coroutine_function(self):
        assert inspect.iscoroutinefunction(fetch)
        assert asyncio.iscoroutinefunction(fetch)
        assert inspect.isasyncgenfunction(count)

    def test_its_examples_are_found(self):
        (found,) = doctest.DocTestFinder().find(add, "add", globs={"add": add})

        assert doctest.DocTestRunner().run(found) == (0, 1)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_is_pickled_by_name(self, protocol):
        assert pickle.loads(pickle.dumps(add, protocol)) is add  # noqa: S301  our own

    def test_is_not_pickled_where_the_name_means_another(self):
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(add.with_options(name="plus"))

    def test_copies_are_the_tool_itself(self):
        assert copy.copy(add) is add
        assert copy.deepcopy([add])[0] is add

    def test_can_be_referred_to_weakly(self):
        assert weakref.ref(add)() is add

    def test_two_tools_of_one_function_are_two(self):
        one, other = tool(plain), tool(plain)

        assert one != other
        assert len({one, other, one}) == 2

    def test_equals_nothing_but_itself(self):
        assert add == add
        assert add != add.function

    def test_shows_its_name_and_its_function(self):
        assert repr(tool(name="back")(plain)) == f"<tool 'back' of {plain!r}>"

    def test_nobody_renames_it(self):
        with pytest.raises(AttributeError, match=r"keeps its name; make another one: with_options\(name="):
            add.name = "plus"


class TestKind:
    """How the function runs is told from its definition."""

    @pytest.mark.parametrize(
        ("function", "kind"),
        [
            (plain, Kind.SYNC),
            (fetch.function, Kind.ASYNC),
            (count.function, Kind.STREAM),
            (functools.partial(fetch.function, "a"), Kind.ASYNC),
            (functools.partial(functools.partial(count.function), 3), Kind.STREAM),
            (Doubler(), Kind.ASYNC),
            (Bare(), Kind.SYNC),
            (functools.lru_cache(plain), Kind.SYNC),
            (len, Kind.SYNC),
        ],
    )
    def test_tells_sync_from_async_from_stream(self, function, kind):
        assert tool(function).kind is kind

    def test_sees_through_a_static_method(self):
        assert Account.rate.kind is Kind.ASYNC

    def test_takes_a_generator_that_is_not_async(self):
        @tool
        def numbers():
            yield 1

        assert (numbers.kind, numbers.streams) == (Kind.SYNC_STREAM, True)

    @pytest.mark.parametrize("wrap", [lambda function: function, functools.partial])
    def test_refuses_positional_arguments_without_end(self, wrap):
        def total(*numbers): ...

        with pytest.raises(TypeError, match=r"tool 'total' cannot take \*args: .* by name"):
            tool(wrap(total))

    def test_takes_what_a_decorator_passes_on(self):
        decorated = tool(passed_on(fetch.function))

        assert decorated.kind is Kind.ASYNC
        assert decorated.schema.validate({"key": "a"}) == {"key": "a"}

    def test_checks_no_result_of_a_stream(self):
        with pytest.raises(
            TypeError, match="tool 'count' gives chunks; validate_result=True is for one value"
        ):
            tool(validate_result=True)(count.function)


class TestMethods:
    """A tool in a class is a method."""

    async def test_is_bound_to_its_object(self):
        assert await Account(5).pay(1) == 6

    def test_keeps_its_settings_when_bound(self):
        pay = Account(5).pay

        assert isinstance(pay, Tool)
        assert (pay.name, pay.timeout, pay.read_only) == ("pay_in", 5, False)

    def test_takes_no_self_when_bound(self):
        assert list(Account(5).pay.input_schema["properties"]) == ["amount"]

    async def test_is_registered_from_an_object(self):
        registry = Registry()

        registry.add(Account(5).pay)

        assert await registry.call("pay_in", amount="2") == 7

    def test_is_the_tool_itself_on_the_class(self):
        assert Account.pay is Account.__dict__["pay"]

    async def test_stands_above_or_below_staticmethod(self):
        assert await Account.rate() == await Account().rate() == "EUR"
        assert Account.fee(1) == Account().fee(1) == 1

    def test_stands_below_classmethod(self):
        assert Account.opened(3) == Account().opened(3) == 3
        assert list(tool(Account.opened).input_schema["properties"]) == ["amount"]

    def test_keeps_its_settings_in_a_method_object(self):
        pay = tool(types.MethodType(Account.pay, Account(5)))

        assert (pay.name, list(pay.input_schema["properties"])) == ("pay_in", ["amount"])

    @pytest.mark.parametrize("member", [classmethod(plain), property(plain)])
    def test_refuses_to_stand_above_what_is_no_function(self, member):
        with pytest.raises(TypeError, match="put it directly above a `def`"):
            tool(member)

    @pytest.mark.parametrize("method", [Doubler.__call__, Account.pay])
    def test_refuses_one_without_its_object(self, method):
        with pytest.raises(TypeError, match="is a method without its object; give the method of an object"):
            _ = tool(method).schema

    def test_takes_a_plain_function_of_something_called_self(self):
        def look(self: int): ...

        assert tool(look).schema.validate({"self": 1}) == {"self": 1}

    def test_what_does_not_bind_is_not_bound(self):
        class Holder:
            double = tool(Doubler())

        assert Holder().double is Holder.__dict__["double"]


class TestCallables:
    """Whatever can be called can be a tool."""

    def test_calls_a_partial_by_the_name_of_its_function(self):
        given = tool(functools.partial(add.function, 5))

        assert (given.name, given.description) == ("add", "Add two numbers.")
        assert given.schema.validate({"second": "3"}) == {"second": 3}

    def test_a_name_given_in_a_partial_becomes_a_default(self):
        assert tool(functools.partial(add.function, first=5)).schema.validate({}) == {"first": 5, "second": 2}

    @pytest.mark.parametrize(
        ("function", "name", "description"),
        [(Doubler(), "Doubler", "Double a number."), (Bare(), "Bare", "Documented on the method.")],
    )
    def test_calls_an_object_by_its_class(self, function, name, description):
        made = tool(function)

        assert (made.name, made.description) == (name, description)
        assert made.schema.validate({"number": "4"}) == {"number": 4}

    async def test_runs_an_object_that_can_be_called(self):
        registry = Registry()
        registry.add(Doubler())

        assert await registry.call("Doubler", number=4) == 8

    def test_takes_a_lambda(self):
        assert tool(name="back")(lambda value: value)(3) == 3

    @pytest.mark.parametrize("thing", [Account, 5, "add", None])
    def test_refuses_what_is_no_function(self, thing):
        with pytest.raises(TypeError, match="@tool takes a function, got .* above a `def`"):
            tool_of(thing)


async def _add(a: int) -> int:
    return a


@pytest.mark.parametrize("several", [b"ab", Enum("Words", ["A"])])
def test_refuses_bytes_and_classes_for_several_words(several):
    with pytest.raises(TypeError, match="tags of tool '_add' must be several, in a list"):
        tool(tags=several)(_add)


def test_a_setting_of_none_is_one_that_was_not_given():
    assert tool(name=None, description=None)(_add).name == "_add"


def test_a_combinator_that_is_a_method_keeps_its_children():
    child = tool(_add)

    class Holder:
        both = Tool(lambda self: None, ToolOptions(name="both"), children=[child])

    assert Holder().both.children == (child,)


def test_has_a_hash_where_its_function_has_none():
    class Unhashable:
        __hash__ = None

        async def __call__(self) -> None: ...

    made = tool(name="t")(Unhashable())

    assert len({made, made}) == 1
