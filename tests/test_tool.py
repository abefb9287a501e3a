"""A tool stays its function, and says what was declared of it."""

import asyncio
import copy
import doctest
import functools
import inspect
import math
import pickle
import typing
import weakref

import pytest

from toolcase import Registry, Tool, tool
from toolcase.tool import Kind, ToolOptions, tool_of


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
    def test_is_pickled_by_name(self, protocol, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(add=add))

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
        assert add == add  # noqa: PLR0124  it is tested
        assert add != add.function

    def test_shows_its_name_and_its_function(self):
        assert repr(tool(name="back")(plain)) == f"<tool 'back' of {plain!r}>"

    def test_nobody_renames_it(self):
        with pytest.raises(AttributeError):
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

    def test_refuses_a_generator_that_is_not_async(self):
        with pytest.raises(TypeError, match="tool 'numbers' is a generator .* write it with `async def`"):

            @tool
            def numbers():
                yield 1

    @pytest.mark.parametrize("wrap", [lambda function: function, functools.partial])
    def test_refuses_positional_arguments_without_end(self, wrap):
        def total(*numbers): ...

        with pytest.raises(TypeError, match=r"tool 'total' cannot take \*args: .* by name"):
            tool(wrap(total))

    def test_takes_what_a_decorator_passes_on(self):
        decorated = tool(passed_on(fetch.function))

        assert decorated.kind is Kind.ASYNC
        assert decorated.schema.validate({"key": 1} if False else {"key": "a"}) == {"key": "a"}

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
        assert list(Account.opened.input_schema["properties"]) == ["amount"]

    @pytest.mark.parametrize("member", [classmethod(plain), property(plain)])
    def test_refuses_to_stand_above_what_is_no_function(self, member):
        with pytest.raises(TypeError, match="put it directly above a `def`"):
            tool(member)

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


class TestOptions:
    """Each setting is kept, and a wrong one is an error when decorating."""

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("name", "zurück"),
            ("name", "n" * 128),
            ("description", "Do it."),
            ("description", ""),
            ("read_only", False),
            ("idempotent", True),
            ("destructive", True),
            ("timeout", 0.5),
            ("timeout", math.inf),
            ("middleware", (plain,)),
            ("tags", frozenset({"a", "b"})),
        ],
    )
    def test_keeps_what_is_declared(self, setting, value):
        assert getattr(tool(**{setting: value})(plain), setting) == value

    def test_takes_name_and_description_from_the_function(self):
        assert (add.name, add.description) == ("add", "Add two numbers.")

    def test_says_nothing_of_effects_where_nobody_did(self):
        assert (add.read_only, add.idempotent, add.destructive, add.timeout) == (None, None, None, None)

    def test_has_no_children(self):
        assert add.children == ()

    def test_has_the_children_that_it_is_made_of(self):
        both = Tool(plain, ToolOptions(name="both"), children=[add, fetch])

        assert both.children == (add, fetch)
        assert both.with_options(name="again").children == (add, fetch)

    def test_takes_several_from_any_iterable(self):
        made = tool(tags=iter(["a", "b"]), expose=[OSError], middleware=[plain])(plain)

        assert made.options == ToolOptions(
            name="plain",
            description="Give it back.",
            tags=frozenset("ab"),
            expose=(OSError,),
            middleware=(plain,),
        )

    @pytest.mark.parametrize("setting", ["tags", "middleware", "expose"])
    @pytest.mark.parametrize("value", ["abc", 5, plain, OSError])
    def test_refuses_one_where_several_are_asked_for(self, setting, value):
        with pytest.raises(TypeError, match=f"{setting} of tool 'plain' must be several, in a list, got"):
            tool(**{setting: value})(plain)

    @pytest.mark.parametrize("kind", [5, KeyboardInterrupt, int])
    def test_exposes_exception_types_only(self, kind):
        with pytest.raises(TypeError, match=r"expose of tool 'plain' must be exception types, got .*"):
            tool(expose=[kind])(plain)

    @pytest.mark.parametrize(
        ("settings", "shown"),
        [
            ({}, (True, True, False)),
            ({"expose": [OSError]}, (False, False, True)),
            ({"expose": ()}, (False,) * 3),
        ],
    )
    def test_exposes_what_it_says(self, settings, shown):
        made = tool(**settings)(plain)

        assert tuple(map(made.exposes, (UnicodeError(), KeyError(), FileNotFoundError()))) == shown

    @pytest.mark.parametrize("name", ["", "n" * 129, "a\n", "\ud800", "\u202eevil"])
    def test_refuses_a_name_that_cannot_be_printed(self, name):
        with pytest.raises(ValueError, match="1 to 128 printable characters, got "):
            tool(name=name)(plain)

    def test_refuses_a_name_that_is_no_text(self):
        with pytest.raises(TypeError, match="a tool's name must be a string, got 5"):
            tool(name=5)(plain)

    @pytest.mark.parametrize("timeout", [0, -1, math.nan])
    def test_refuses_a_timeout_that_is_no_duration(self, timeout):
        with pytest.raises(
            ValueError, match=f"timeout of tool 'plain' must be above 0 seconds, got {timeout}"
        ):
            tool(timeout=timeout)(plain)

    @pytest.mark.parametrize(
        "setting", ["read_only", "idempotent", "destructive", "strict", "validate_result"]
    )
    def test_refuses_a_flag_that_is_no_bool(self, setting):
        with pytest.raises(TypeError, match=f"{setting} of tool 'plain' must be True or False, got 'no'"):
            tool(**{setting: "no"})(plain)

    def test_refuses_a_setting_that_there_is_not(self):
        with pytest.raises(TypeError, match="retries"):
            tool(retries=3)(plain)

    def test_strict_reaches_the_schema(self):
        strict = tool(strict=True)(add.function)

        with pytest.raises(Exception, match="argument 'first' should be a valid integer"):
            strict.schema.validate({"first": "1"})

    def test_builds_the_schema_once(self):
        assert add.schema is add.schema


class TestEffects:
    """What read_only means for the other two."""

    def test_read_only_implies_idempotent_and_not_destructive(self):
        look = tool(read_only=True)(plain)

        assert (look.idempotent, look.destructive) == (True, False)

    @pytest.mark.parametrize("settings", [{"destructive": True}, {"idempotent": False}])
    def test_refuses_a_contradiction(self, settings):
        with pytest.raises(
            ValueError, match="'plain' is declared read_only=True and also .* leave these two out"
        ):
            tool(read_only=True, **settings)(plain)

    @pytest.mark.parametrize("settings", [{"destructive": False}, {"idempotent": True}])
    def test_takes_what_is_implied_anyway(self, settings):
        assert tool(read_only=True, **settings)(plain).read_only

    def test_what_was_implied_goes_with_read_only(self):
        deleting = tool(read_only=True)(plain).with_options(read_only=False, destructive=True)

        assert (deleting.idempotent, deleting.destructive) == (None, True)


class TestWithOptions:
    """Another tool of the same function."""

    def test_changes_what_is_said_and_keeps_the_rest(self):
        look = tool(read_only=True, timeout=5, description="Look.")(plain)

        other = look.with_options(name="see", timeout=None)

        assert (other.name, other.timeout, other.description, other.read_only) == ("see", None, "Look.", True)
        assert other.function is plain
        assert look.name == "plain"

    def test_decorating_a_tool_keeps_its_settings(self):
        look = tool(read_only=True)(plain)

        other = tool(name="see")(look)

        assert (other.name, other.read_only, other.function) == ("see", True, plain)

    def test_has_a_schema_of_its_own(self):
        strict = add.with_options(strict=True)

        assert strict.schema is not add.schema
