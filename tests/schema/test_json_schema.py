"""Schemas that others wrote: what they may say, and what they may not do."""

import socket
import time

import pytest

from toolcase import InvalidArguments, tool_from_schema


async def proxy(arguments): ...


def made(**schema):
    """A tool with that schema."""
    return tool_from_schema(proxy, name="remote", input_schema=schema)


def taking(**said):
    """A tool with one argument of which that is said."""
    return made(properties={"a": said})


def refusal(tool, arguments):
    """What is said of arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        tool.schema.validate(arguments)
    return str(caught.value).removeprefix("invalid arguments for 'remote': ")


def refused(**schema):
    """What is said of a schema of which no tool is made."""
    with pytest.raises(TypeError) as caught:
        made(**schema)
    return str(caught.value)


class TestWords:
    """The same as for a signature."""

    @pytest.mark.parametrize(
        ("said", "value", "words"),
        [
            ({"type": "integer"}, "5", "should have type 'integer'; got '5'"),
            ({"type": ["integer", "null"]}, "5", "should have type ['integer', 'null']; got '5'"),
            ({"minimum": 3}, 2, "should have minimum 3; got 2"),
            ({"exclusiveMaximum": 3}, 3, "should have exclusiveMaximum 3; got 3"),
            ({"multipleOf": 2}, 3, "should have multipleOf 2; got 3"),
            ({"enum": ["x", 1]}, "y", "should have enum ['x', 1]; got 'y'"),
            ({"const": "x"}, "y", "should have const 'x'; got 'y'"),
            ({"minLength": 3}, "ab", "should have minLength 3; got 'ab'"),
            ({"maxItems": 1}, [1, 2], "should have maxItems 1; got [1, 2]"),
            ({"pattern": "^a$"}, "b", "should have pattern '^a$'; got 'b'"),
            (
                {"uniqueItems": True},
                [{"a": [1], "b": 2}, {"b": 2, "a": [1]}],
                "should have uniqueItems True; got [{'a': [1], 'b': 2},",
            ),
            ({"anyOf": [{"type": "string"}]}, 5, "should have anyOf [{'type': 'string'}]; got 5"),
        ],
    )
    def test_says_what_it_should_be_and_what_it_got(self, said, value, words):
        assert refusal(made(properties={"a": said}), {"a": value}).startswith(f"argument 'a' {words}")

    def test_says_that_a_value_is_not_allowed_at_all(self):
        assert refusal(made(properties={"a": False}), {"a": 5}) == (
            "the arguments hold a value that is not allowed"
        )

    def test_names_what_is_missing(self):
        assert refusal(made(required=["a"], properties={"a": {}}), {}) == "argument 'a' is missing"

    def test_names_what_is_missing_further_in(self):
        assert refusal(taking(required=["b"]), {"a": {}}) == "argument \"a['b']\" is missing"

    def test_hints_at_the_nearest_name(self):
        assert refusal(made(properties={"query": {}}), {"qurey": 1}) == (
            "unknown argument 'qurey'; did you mean 'query'?"
        )

    def test_names_what_is_unknown_further_in(self):
        assert (
            refusal(taking(additionalProperties=False), {"a": {"b": 1}}) == "argument \"a['b']\" is not known"
        )

    def test_shows_no_value_that_is_marked_as_secret(self):
        for mark in ({"writeOnly": True}, {"format": "password"}):
            assert (
                refusal(taking(type="string", **mark), {"a": ["hunter2"]})
                == "argument 'a' should have type 'string'"
            )

    def test_shows_five_and_says_that_there_are_more(self):
        said = refusal(made(properties={}), {f"x{number}": 1 for number in range(100_000)})

        assert said.count("unknown argument") == 5
        assert said.endswith("; and more")


class TestMeaning:
    """What a schema says holds."""

    @pytest.mark.parametrize("value", [1, 1.0])
    def test_holds_a_whole_number_for_an_integer(self, value):
        assert taking(type="integer").schema.validate({"a": value}) == {"a": value}

    def test_holds_1_and_true_for_two(self):
        assert taking(uniqueItems=True).schema.validate({"a": [1, True]}) == {"a": [1, True]}

    @pytest.mark.parametrize("said", [{"uniqueItems": True}, {"uniqueItems": False}, {"pattern": "^a$"}])
    def test_a_word_about_another_type_says_nothing(self, said):
        assert taking(**said).schema.validate({"a": 5}) == {"a": 5}

    @pytest.mark.parametrize(
        "schema",
        [
            {},
            {"properties": {}, "additionalProperties": True},
            {"properties": {}, "additionalProperties": {"type": "integer"}},
            {"properties": {}, "patternProperties": {"^a": {"type": "integer"}}},
            {"properties": {}, "allOf": [{"properties": {"a": {"type": "integer"}}}]},
        ],
    )
    def test_takes_further_arguments_where_the_schema_speaks_of_them(self, schema):
        assert made(**schema).schema.validate({"a": 1}) == {"a": 1}

    def test_checks_further_arguments(self):
        tool = made(patternProperties={"^a": {"type": "integer"}}, additionalProperties={"type": "string"})

        assert tool.schema.validate({"a1": 1, "b": "x"}) == {"a1": 1, "b": "x"}
        assert "argument 'a1' should have type 'integer'" in refusal(tool, {"a1": "x"})
        assert "argument 'b' should have type 'string'" in refusal(tool, {"b": 1})

    @pytest.mark.parametrize("where", ["$defs", "definitions"])
    def test_follows_references_inside_of_it(self, where):
        part = {"type": "object", "properties": {"b": {"$ref": f"#/{where}/p"}, "c": {"pattern": "^x"}}}
        tool = made(properties={"a": {"$ref": f"#/{where}/p"}}, **{where: {"p": part}})

        assert tool.schema.validate({"a": {"b": {"b": {}}}}) == {"a": {"b": {"b": {}}}}
        assert "should have pattern '^x'" in refusal(tool, {"a": {"b": {"c": "y"}}})

    @pytest.mark.parametrize("draft", ["draft-07/schema#", "draft/2019-09/schema", "draft/2020-12/schema"])
    def test_knows_the_drafts(self, draft):
        scheme = "http" if "07" in draft else "https"
        tool = made(
            **{"$schema": f"{scheme}://json-schema.org/{draft}", "properties": {"a": {"pattern": "^x$"}}}
        )

        assert "should have pattern '^x$'" in refusal(tool, {"a": "y"})

    def test_takes_an_unknown_draft_for_the_newest(self):
        tool = made(**{"$schema": "http://example.com/mine", "properties": {"a": {"type": "integer"}}})

        assert "should have type 'integer'" in refusal(tool, {"a": "x"})

    def test_formats_are_not_checked(self):
        assert taking(format="ipv4").schema.validate({"a": "no address"}) == {"a": "no address"}

    def test_is_not_changed_by_who_gave_it(self):
        said = {"type": "integer"}
        tool = made(properties={"a": said})

        said["type"] = "string"

        assert tool.schema.validate({"a": 1}) == {"a": 1}
        assert tool.input_schema["properties"]["a"] == {"type": "integer"}

    @pytest.mark.parametrize("given", ["[]", "null", b"5", '"a"'])
    def test_refuses_json_that_is_no_object(self, given):
        assert refusal(made(), given) == "the arguments should be an object"

    def test_takes_the_last_of_a_repeated_key(self):
        assert taking(type="integer").schema.validate('{"a": "x", "a": 1}') == {"a": 1}

    @pytest.mark.parametrize("value", [object(), {1}, b"x", 1j])
    def test_refuses_what_json_has_no_type_for(self, value):
        assert refusal(made(), {"a": value}).startswith(
            "argument 'a' should be text, a number, a list or the"
        )


class TestBadSchemas:
    """No tool is made, and the error says why."""

    @pytest.mark.parametrize(
        ("schema", "said"),
        [
            ({"type": "array"}, "has type 'array'; arguments have names, so write an object"),
            ({"properties": {"a": {"type": "text"}}}, "is no JSON Schema: at $.properties.a.type"),
            ({"properties": {"a": {"default": object()}}}, "is no JSON: its values should be text"),
            ({"patternProperties": {"(": {}}}, "has the pattern '(', which cannot be matched"),
            ({"properties": {"a": {"pattern": "(?!a)"}}}, "which cannot be matched"),
            ({"properties": {"a": {"pattern": r"(a)\1"}}}, "without look-around and backreferences"),
            ({"properties": {"a": {"pattern": "a{1000000}"}}}, "write it short"),
            (
                {"patternProperties": {"^a": {}}, "unevaluatedProperties": False},
                "has both patternProperties and unevaluatedProperties; write additionalProperties",
            ),
        ],
    )
    def test_says_what_is_wrong(self, schema, said):
        error = refused(**schema)

        assert error.startswith("input_schema of tool 'remote' ")
        assert said in error

    @pytest.mark.parametrize("reference", ["#/$defs/none", "other.json", "file:///etc/hostname", "#anchor"])
    @pytest.mark.parametrize("word", ["$ref", "$dynamicRef"])
    def test_refuses_a_reference_that_leads_out_of_it(self, word, reference):
        said = refused(properties={"a": {word: reference}})

        assert f"refers to {reference!r}, which is not inside it and is never fetched; put that part" in said

    def test_fetches_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            refused(properties={"a": {"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/a.json"}})

            with pytest.raises(BlockingIOError):
                server.accept()

    def test_a_reference_among_values_is_none(self):
        assert taking(enum=[{"$ref": "other.json"}]).schema.validate({"a": {"$ref": "other.json"}})

    @pytest.mark.parametrize("depth", [100, 500, 100_000])
    def test_refuses_one_nested_too_deeply(self, depth):
        deep = {}
        for _ in range(depth):
            deep = {"properties": {"a": deep}}

        assert "nested too deeply" in refused(**deep)


class TestTime:
    """Neither a schema's pattern nor many values make a check slow."""

    @pytest.mark.parametrize(
        ("said", "value"),
        [
            ({"pattern": "^(a+)+$"}, "a" * 50_000 + "!"),
            ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 50_000 + "!": 1}),
            ({"uniqueItems": True}, [{"n": number} for number in range(20_000)] + [{"n": 0}]),
        ],
    )
    def test_is_bounded(self, said, value):
        tool = taking(**said)
        begun = time.process_time()

        refusal(tool, {"a": value})

        assert time.process_time() - begun < 1

    def test_one_that_refers_to_itself_without_end_is_a_refusal(self):
        assert refusal(made(**{"$ref": "#"}), {"a": 1}) == "the arguments are nested too deeply"
