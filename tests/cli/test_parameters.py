"""How `key=value` is read."""

import click
import pytest

from toolcase.cli.parameters import parse

SCHEMA = {
    "properties": {
        "text": {"type": "string"},
        "number": {"type": "integer"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "mixed": {"type": ["string", "array", "object", "boolean", "number"]},
        "size": {"$ref": "#/$defs/Size"},
        "any": {},
    },
    "$defs": {"Size": {"enum": ["1", "2"], "type": "string"}},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("text=5", "5"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ('text="a"', '"a"'),
        ("number=5", 5),
        ("number=five", "five"),
        ("note=5", "5"),
        ("note=null", None),
        ("note=true", "true"),
        ("either=5", 5),
        ("either=5.5", "5.5"),
        ("mixed=5.5", 5.5),
        ("mixed=[1]", [1]),
        ('mixed={"a": 1}', {"a": 1}),
        ("mixed=true", True),
        ('mixed="a"', '"a"'),
        ("size=1", "1"),
        ("any=[1, 2]", [1, 2]),
        ("any=some text", "some text"),
        ("unheard_of=1", 1),
    ],
)
def test_a_value_is_json_where_the_parameter_takes_more_than_text(word, value):
    name = word.partition("=")[0]

    assert parse([word], SCHEMA) == {name: value}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["text"], "an argument is written key=value, got 'text'"),
        (["=5"], "an argument is written key=value, got '=5'"),
        (["text=1", "text=2"], "argument 'text' is given twice; for a list write text='\\[1, 2\\]'"),
    ],
)
def test_what_is_no_argument_is_wrong_usage(words, told):
    with pytest.raises(click.UsageError, match=told):
        parse(words, SCHEMA)
