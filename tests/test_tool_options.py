"""What is declared of a tool: each setting is kept, and a wrong one is an error when decorating."""

import math

import pytest

from toolcase import InvalidArguments, Tool, tool
from toolcase.tool_options import ToolOptions


@tool
def add(first: int, second: int = 2) -> int:
    """Add two numbers."""
    return first + second


def plain(value):
    """Give it back."""
    return value


class TestOptions:
    """One setting at a time."""

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
            ("max_concurrent", 3),
            ("middleware", (plain,)),
            ("tags", frozenset({"a", "b"})),
            ("version", "2.1"),
            ("examples", ({"value": 1},)),
            ("shared", True),
        ],
    )
    def test_keeps_what_is_declared(self, setting, value):
        assert getattr(tool(**{setting: value})(plain), setting) == value

    def test_takes_name_and_description_from_the_function(self):
        assert (add.name, add.description) == ("add", "Add two numbers.")

    def test_says_nothing_of_effects_where_nobody_did(self):
        assert (add.read_only, add.idempotent, add.destructive) == (None, None, None)
        assert (add.timeout, add.max_concurrent) == (None, None)

    def test_has_no_children(self):
        assert add.children == ()

    def test_has_the_children_that_it_is_made_of(self):
        both = Tool(plain, ToolOptions(name="both"), children=[add])

        assert both.children == (add,)
        assert both.with_options(name="again").children == (add,)

    def test_takes_several_from_any_iterable(self):
        made = tool(tags=iter(["a", "b"]), expose=[OSError], middleware=[plain])(plain)

        assert made.options == ToolOptions(
            name="plain",
            description="Give it back.",
            tags=frozenset("ab"),
            expose=(OSError,),
            middleware=(plain,),
        )

    @pytest.mark.parametrize("setting", ["tags", "middleware", "expose", "examples"])
    @pytest.mark.parametrize("value", ["abc", 5, plain, OSError, {"value": 1}])
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

    @pytest.mark.parametrize("name", ["<lambda>", " add", "add ", " "])
    def test_refuses_a_name_that_nobody_says(self, name):
        with pytest.raises(ValueError, match=r"is no name that callers can say; give one with @tool\(name="):
            tool(name=name)(plain)

    def test_refuses_a_lambda_without_a_name(self):
        with pytest.raises(ValueError, match="'<lambda>' is no name"):
            tool(lambda value: value)

    @pytest.mark.parametrize("name", ["<", "a<b>", "read file", "a/b"])
    def test_takes_any_other_name_that_can_be_printed(self, name):
        assert tool(name=name)(plain).name == name

    @pytest.mark.parametrize("setting", ["version", "description"])
    def test_refuses_words_that_are_no_text(self, setting):
        with pytest.raises(TypeError, match=f"{setting} of tool 'plain' must be a string, got 5"):
            tool(**{setting: 5})(plain)

    def test_shows_its_examples_in_the_schema(self):
        shown = tool(examples=[{"first": "1"}, {"first": 1, "second": 2}])(add.function)

        assert shown.input_schema["examples"] == [{"first": "1"}, {"first": 1, "second": 2}]
        assert "examples" not in add.input_schema

    def test_refuses_an_example_that_does_not_fit(self):
        made = tool(examples=[{"first": 1}, {"first": "x"}])(add.function)

        with pytest.raises(TypeError, match="tool 'add': example 2 does not fit its own schema: .*'first'"):
            _ = made.schema

    def test_says_nothing_of_version_examples_and_sharing_where_nobody_did(self):
        assert (add.version, add.examples, add.shared) == ("", (), False)

    def test_refuses_a_name_that_is_no_text(self):
        with pytest.raises(TypeError, match="a tool's name must be a string, got 5"):
            tool(name=5)(plain)

    @pytest.mark.parametrize("timeout", [0, -1, math.nan])
    def test_refuses_a_timeout_that_is_no_duration(self, timeout):
        with pytest.raises(
            ValueError, match=f"timeout of tool 'plain' must be above 0 seconds, got {timeout}"
        ):
            tool(timeout=timeout)(plain)

    @pytest.mark.parametrize("number", [0, -1])
    def test_refuses_a_max_concurrent_below_one(self, number):
        with pytest.raises(
            ValueError, match=f"max_concurrent of tool 'plain' must be at least 1, got {number}"
        ):
            tool(max_concurrent=number)(plain)

    @pytest.mark.parametrize("number", [True, 2.5, math.inf, "3"])
    def test_refuses_a_max_concurrent_that_is_no_whole_number(self, number):
        with pytest.raises(TypeError, match="max_concurrent of tool 'plain' must be a whole number, got"):
            tool(max_concurrent=number)(plain)

    @pytest.mark.parametrize(
        "setting", ["read_only", "idempotent", "destructive", "strict", "validate_result", "shared"]
    )
    def test_refuses_a_flag_that_is_no_bool(self, setting):
        with pytest.raises(TypeError, match=f"{setting} of tool 'plain' must be True or False, got 'no'"):
            tool(**{setting: "no"})(plain)

    def test_refuses_a_setting_that_there_is_not(self):
        with pytest.raises(TypeError, match="retries"):
            tool(retries=3)(plain)

    def test_strict_reaches_the_schema(self):
        strict = tool(strict=True)(add.function)

        with pytest.raises(InvalidArguments, match="argument 'first' should be a valid integer"):
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
