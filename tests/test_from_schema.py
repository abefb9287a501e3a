"""Tools that a JSON Schema declares: remote ones, and objects that say all themselves."""

import pytest

from toolcase import Call, InvalidArguments, Registry, tool, tool_from_schema
from toolcase.runtime import RetryMiddleware, compose
from toolcase.tool import Kind

SCHEMA = {
    "type": "object",
    "properties": {"city-name": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city-name"],
}


async def proxy(arguments):
    """Ask the server.

    Args:
        arguments: all of them
    """
    return arguments


def sync_proxy(arguments, call: Call):
    return call.name, arguments


async def streaming_proxy(arguments):
    for name in arguments:
        yield name


class Weather:
    """Tell the weather."""

    name = "weather"
    input_schema = SCHEMA
    tags = ("web",)
    read_only = True
    timeout = 5
    version = "2"
    examples = ({"city-name": "Oslo"},)
    validate_result = True

    async def __call__(self, **arguments) -> dict[str, object]:
        return arguments


class Greeter:
    name = "greet"
    description = "Say hello."
    input_schema = {"properties": {"whom": {"type": "string"}}}

    def __call__(self, whom: int = 0, *, call: Call):
        return f"{call.name} {whom}"


class Counter:
    name = "count"
    input_schema = {"properties": {"to": {"type": "integer"}}, "required": ["to"]}

    async def __call__(self, to):
        for number in range(to):
            yield number


def remote(**settings):
    return tool_from_schema(proxy, name="weather", input_schema=SCHEMA, **settings)


class TestToolFromSchema:
    """A function that takes all its arguments in one mapping."""

    async def test_gives_the_arguments_in_one_mapping(self):
        registry = Registry()
        registry.add(remote())

        assert await registry.call("weather", **{"city-name": "Oslo"}) == {"city-name": "Oslo"}

    async def test_gives_a_dict_that_is_not_the_callers(self):
        given, registry = {"city-name": "Oslo"}, Registry()
        registry.add(remote())

        value = (await registry.execute("weather", given)).value

        assert value == given
        assert value is not given

    @pytest.mark.parametrize(
        ("function", "value"),
        [
            (sync_proxy, ("weather", {"city-name": "Oslo"})),
            (streaming_proxy, "city-name"),
            (lambda arguments: list(arguments), ["city-name"]),
        ],
    )
    async def test_takes_functions_of_every_kind(self, function, value):
        registry = Registry()
        registry.add(tool_from_schema(function, name="weather", input_schema=SCHEMA))

        assert (await registry.execute("weather", '{"city-name": "Oslo"}')).value == value

    async def test_a_retry_gets_arguments_of_its_own(self):
        registry, seen = Registry(), []

        async def drain(arguments):
            seen.append(dict(arguments))
            arguments.clear()
            raise ConnectionError

        registry.use(RetryMiddleware())
        registry.add(tool_from_schema(drain, name="drain", input_schema=SCHEMA))
        await registry.execute("drain", {"city-name": "Oslo"})
        assert seen == [{"city-name": "Oslo"}] * 3

    async def test_guards_see_the_arguments_by_name(self):
        registry, seen = Registry(), []
        registry.add(remote())

        async def guard(call, inner):
            seen.append(dict(call.arguments))
            return await inner(call)

        registry.use(guard)

        await registry.execute("weather", {"city-name": "Oslo"})
        assert seen == [{"city-name": "Oslo"}]

    async def test_is_called_directly_and_composed_as_its_function(self):
        assert await remote()({"a": 1}) == await compose()(remote())({"a": 1}) == {"a": 1}

    def test_takes_name_description_and_the_settings_of_a_tool(self):
        made = remote(timeout=5, tags=["web"], read_only=True)

        assert (made.name, made.description, made.timeout, made.tags, made.idempotent, made.kind) == (
            "weather",
            "Ask the server.",
            5,
            {"web"},
            True,
            Kind.ASYNC,
        )
        assert remote(description="").description == ""

    def test_shows_its_schema_with_unknown_arguments_forbidden(self):
        assert remote().input_schema == {**SCHEMA, "additionalProperties": False}
        assert remote().input_schema is not remote().input_schema

    def test_refuses_a_schema_that_is_none_when_it_is_made(self):
        with pytest.raises(TypeError, match=r"input_schema of tool 'weather' is no JSON Schema: at \$\.prop"):
            tool_from_schema(proxy, name="weather", input_schema={"type": "object", "properties": 5})

    def test_converts_nothing(self):
        with pytest.raises(InvalidArguments, match="argument 'days' should have type 'integer'; got '5'"):
            remote().schema.validate({"city-name": "Oslo", "days": "5"})

    def test_keeps_its_schema_with_other_options(self):
        assert remote().with_options(name="other").input_schema == remote().input_schema

    @pytest.mark.parametrize("function", [lambda: 1, lambda a, b: 1, lambda **arguments: 1])
    def test_refuses_a_function_that_takes_them_in_another_way(self, function):
        with pytest.raises(TypeError, match="'weather': its function must take one parameter for all"):
            tool_from_schema(function, name="weather", input_schema=SCHEMA)


class TestObjects:
    """A class tool: an object with a name, an input_schema and a __call__."""

    async def test_gives_the_arguments_by_keyword(self):
        registry = Registry()
        registry.add(Weather())

        assert await registry.call("weather", **{"city-name": "Oslo"}) == {"city-name": "Oslo"}

    async def test_may_be_synchronous_and_take_the_call(self):
        registry = Registry()
        registry.add(Greeter())

        assert await registry.call("greet", whom="you") == "greet you"

    async def test_may_be_a_generator(self):
        registry = Registry()
        registry.add(Counter())

        assert await registry.call("count", to=2) == [0, 1]

    def test_its_attributes_are_the_settings(self):
        made = tool(Weather())

        assert (made.name, made.description, made.tags, made.timeout, made.version, made.destructive) == (
            "weather",
            "Tell the weather.",
            {"web"},
            5,
            "2",
            False,
        )
        assert tool(Greeter()).description == "Say hello."
        assert made.options.validate_result

    def test_settings_that_are_given_come_before_its_attributes(self):
        assert tool(name="other", timeout=1)(Weather()).options.timeout == 1

    def test_its_schema_and_not_its_signature_is_what_holds(self):
        made = tool(Greeter())

        assert made.input_schema["properties"] == {"whom": {"type": "string"}}
        assert made.schema.validate({"whom": "5"}) == {"whom": "5"}

    def test_a_schema_that_is_none_is_an_error_when_it_is_added(self):
        greeter = Greeter()
        greeter.input_schema = {"type": "array"}

        with pytest.raises(TypeError, match="has type 'array'; arguments have names"):
            Registry().add(greeter)

    def test_an_object_whose_input_schema_is_no_mapping_is_a_plain_callable(self):
        greeter = Greeter()
        greeter.input_schema = "none"

        assert tool(greeter).input_schema["properties"] == {"whom": {"type": "integer", "default": 0}}
