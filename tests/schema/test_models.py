"""Tools whose single parameter is a model: callers give its fields."""

import copy
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    SecretStr,
    model_validator,
)
from typing_extensions import TypedDict

from toolcase import InvalidArguments, Registry, tool
from toolcase.runtime import RetryMiddleware, compose
from toolcase.schema.models import fresh, schema_of

T = TypeVar("T")


class Search(BaseModel):
    """What to look for."""

    query: str
    limit: int = 10


class SearchStruct(msgspec.Struct):
    query: str
    limit: int = 10


@dataclass
class SearchData:
    query: str
    limit: int = 10


class SearchDict(TypedDict, total=False):
    query: str
    limit: int


class Page(BaseModel, Generic[T]):
    rows: list[T]


class Node(BaseModel):
    """A node."""

    name: str
    child: "Node | None" = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(1, alias="one")
    second: int = Field(2, validation_alias=AliasChoices("two", AliasPath("both", 1)))
    third: int = Field(3, validation_alias=AliasPath("all", 0))


class ByAliasOnly(BaseModel):
    first: int = Field(1, alias="one")


class Login(BaseModel):
    user: str
    password: SecretStr = Field(min_length=20)


class Odd(BaseModel):
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        from pydantic_core import core_schema

        return core_schema.str_schema()


class Checked(BaseModel):
    low: int
    high: int
    _sum: int = PrivateAttr(0)

    @model_validator(mode="after")
    def in_order(self):
        if self.low > self.high:
            raise ValueError("low must not be above high")
        self._sum = self.low + self.high
        return self


KINDS = [Search, SearchStruct, SearchData, SearchDict, Annotated[Search, "noted"]]


def taking(kind, **settings):
    """A tool with a single parameter of that type, which gives it back."""

    async def search(params): ...

    async def give(params):
        return params

    give.__annotations__ = {"params": kind}
    return tool(name="search", **settings)(give)


def refusal(made, arguments):
    """What is said of arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        made.schema.validate(arguments)
    return str(caught.value)


def limit_of(instance):
    return instance["limit"] if isinstance(instance, dict) else instance.limit


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    """A pydantic model, a Struct, a dataclass and a TypedDict."""

    async def test_gives_the_function_an_instance_of_the_fields(self, kind):
        registry = Registry()
        registry.add(taking(kind))

        value = await registry.call("search", query="x", limit="5")

        assert limit_of(value) == 5
        assert type(value) is (dict if kind is SearchDict else getattr(kind, "__origin__", kind))

    async def test_reads_json(self, kind):
        registry = Registry()
        registry.add(taking(kind))

        result = await registry.execute("search", b'{"query": "x", "limit": 0, "limit": 5}')

        assert limit_of(result.value) == 5

    def test_shows_the_fields_in_the_schema(self, kind):
        schema = taking(kind).input_schema

        assert list(schema["properties"]) == ["query", "limit"]
        assert (schema["type"], schema["additionalProperties"], "title" in schema) == ("object", False, False)

    @pytest.mark.parametrize("encode", [dict, json.dumps])
    def test_refuses_an_unknown_argument(self, kind, encode):
        said = refusal(taking(kind), encode({"query": "x", "limti": 5}))

        assert said == "invalid arguments for 'search': unknown argument 'limti'; did you mean 'limit'?"

    @pytest.mark.parametrize("encode", [dict, json.dumps])
    def test_says_what_does_not_fit(self, kind, encode):
        said = refusal(taking(kind), encode({"query": "x", "limit": "many"}))

        assert said.startswith("invalid arguments for 'search': argument 'limit' should be ")
        assert said.endswith("; got 'many'")

    def test_strict_takes_no_text_for_a_number(self, kind):
        made = taking(kind, strict=True)

        assert "argument 'limit' should be" in refusal(made, {"query": "x", "limit": "5"})
        assert "argument 'limit' should be" in refusal(made, '{"query": "x", "limit": "5"}')

    @pytest.mark.parametrize("value", [float("nan"), pytest.param(10**5_000, id="long"), "\ud800", [[]]])
    def test_refuses_what_no_json_could_say(self, kind, value):
        assert "argument 'limit' " in refusal(taking(kind), {"query": "x", "limit": value})

    @pytest.mark.parametrize("key", [1, None, (1, 2)])
    def test_wants_names_that_are_strings(self, kind, key):
        assert refusal(taking(kind), {key: 1}).endswith(
            f"the arguments should have names that are strings; got {key!r}"
        )

    async def test_guards_see_the_instance_under_the_name_of_the_parameter(self, kind):
        registry, seen = Registry(), []
        registry.add(taking(kind))

        async def guard(call, inner):
            seen.append(limit_of(call.arguments["params"]))
            return await inner(call)

        registry.use(guard)

        await registry.call("search", query="x", limit="5")
        assert seen == [5]


class TestInstances:
    """Python code has instances already."""

    @pytest.mark.parametrize("made", [Search(query="x"), SearchStruct("x"), SearchData("x")])
    async def test_takes_one_under_the_name_of_the_parameter(self, made):
        registry = Registry()
        registry.add(taking(type(made)))

        assert await registry.call("search", params=made) == made

    async def test_takes_one_in_a_direct_call(self):
        assert await taking(Search)(Search(query="x")) == Search(query="x")

    async def test_takes_one_in_a_composed_call(self):
        alone = compose()(taking(Search))

        assert await alone(Search(query="x")) == Search(query="x")

    def test_takes_no_other_class_for_one(self):
        assert "unknown argument 'params'" in refusal(taking(Search), {"params": SearchData("x")})

    async def test_a_retry_gets_containers_of_its_own(self):
        registry, seen = Registry(), []

        @registry.tool
        async def drain(page: Page[list[int]]):
            seen.append(copy.deepcopy(page.rows))
            page.rows[0].clear()
            if len(seen) < 3:
                raise ConnectionError

        registry.use(RetryMiddleware())
        await registry.call("drain", rows=[[1], [2]])
        assert seen == [[[1], [2]]] * 3


class Frozen(msgspec.Struct, frozen=True):
    rows: list[int]


@dataclass(frozen=True)
class FrozenData:
    rows: list[int]


@pytest.mark.parametrize("one", [Page(rows=[1]), Frozen([1]), FrozenData([1])])
def test_a_fresh_copy_is_equal_and_shares_no_container(one):
    other = fresh(one)

    assert other == one
    assert other.rows is not one.rows


def test_a_fresh_copy_of_a_model_knows_what_was_set_and_what_is_private():
    other = fresh(Checked(low=1, high=2))

    assert (other._sum, other.model_fields_set) == (3, {"low", "high"})


class TestWhichIsOne:
    """Only a single parameter without a default, of a type that is an object in JSON."""

    @pytest.mark.parametrize(
        "kind", [int, Any, RootModel[int], BaseModel, Search | None, msgspec.Struct, Odd]
    )
    def test_takes_anything_else_as_an_argument(self, kind):
        assert schema_of(kind, "params", strict=False) is None

    def test_takes_one_with_a_default_as_an_argument(self):
        @tool
        def search(params: Search = Search(query="all")): ...  # noqa: B008

        assert list(search.input_schema["properties"]) == ["params"]

    def test_takes_one_beside_another_parameter_as_an_argument(self):
        @tool
        def search(params: Search, page: int): ...

        assert list(search.input_schema["properties"]) == ["params", "page"]

    def test_takes_the_type_of_further_arguments_for_none(self):
        @tool
        def search(**params: Search): ...

        assert search.schema.validate({"a": {"query": "x"}}) == {"a": Search(query="x")}

    def test_does_not_count_what_toolcase_gives(self):
        from toolcase import Call

        @tool
        def search(params: Search, call: Call): ...

        assert list(search.input_schema["properties"]) == ["query", "limit"]

    async def test_takes_one_that_is_given_by_position(self):
        registry = Registry()

        @registry.tool
        def search(params: Search, /) -> str:
            return params.query

        assert await registry.call("search", query="x") == "x"


class TestPydantic:
    """What a model says of itself holds."""

    def test_a_generic_model_has_its_types(self):
        assert "argument 'rows[0]' should be a valid integer" in refusal(taking(Page[int]), {"rows": ["x"]})

    def test_a_model_of_itself_shows_an_object(self):
        schema = taking(Node).input_schema

        assert (schema["type"], list(schema["properties"]), list(schema["$defs"])) == (
            "object",
            ["name", "child"],
            ["Node"],
        )

    def test_a_model_that_allows_more_is_given_more(self):
        made = taking(Open)

        assert made.schema.validate({"name": "a", "more": 1})["params"].more == 1
        assert made.schema.validate('{"name": "a", "more": 1}')["params"].more == 1
        assert made.input_schema["additionalProperties"] is True

    @pytest.mark.parametrize(
        "arguments", [{"one": 5}, {"first": 5}, {"two": 5}, {"both": [1, 5]}, {"second": 5}, {"all": [5]}]
    )
    def test_knows_every_name_of_a_field(self, arguments):
        given = taking(Renamed).schema.validate(arguments)["params"]

        assert 5 in (given.first, given.second, given.third)

    def test_refuses_the_name_of_a_field_that_has_an_alias_only(self):
        assert "unknown argument 'first'" in refusal(taking(ByAliasOnly), {"first": 5})

    def test_a_secret_is_shown_to_nobody(self):
        for given in ({"user": "u", "password": "hunter2"}, {"user": "u", "password": ["hunter2"]}):
            said = refusal(taking(Login), given)

            assert "argument 'password" in said
            assert "hunter2" not in said

    def test_a_check_of_all_fields_is_of_the_arguments(self):
        assert refusal(taking(Checked), {"low": 2, "high": 1}) == (
            "invalid arguments for 'search': the arguments failed a check: low must not be above high"
        )

    def test_a_field_that_is_not_given_is_no_argument(self):
        @dataclass
        class Counted:
            name: str
            count: int = field(default=0, init=False)

        assert "unknown argument 'count'" in refusal(taking(Counted), {"name": "a", "count": 1})

    def test_a_type_that_nobody_can_find_is_an_error_that_names_the_tool(self):
        class Lost(BaseModel):
            thing: "Nowhere"  # noqa: F821

        with pytest.raises(TypeError, match="tool 'search'"):
            _ = taking(Lost).schema


def test_a_secret_inside_of_a_nested_model_is_shown_to_nobody():
    @tool
    def enter(login: Login, door: int): ...

    assert "hunter2" not in refusal(enter, {"login": {"user": "u", "password": "hunter2"}, "door": 1})
