"""Input that attacks: mutated JSON, and Python objects that mean harm."""

from __future__ import annotations

import json
import random
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from long.shapes import TOOLS, Colour
from toolcase import Tool

SEEDS = [
    b"{}",
    b'{"first": 1}',
    b'{"first": 1, "name": "aaa", "share": 0.5}',
    b'{"first": "a", "name": "red"}',
    b'{"first": {"first": 1, "lines": [{"price": 1.5, "tags": {"a": 1}}]}, "share": null}',
    b'{"first": 1, "lines": [[1, 2], [3]], "inner": [{"first": 2, "inner": []}]}',
    b'{"first": 1, "first": 2, "secret": "hunter2hunter2"}',
    b'{"first": 1, "lines": [{"lines": [{"n": 1}]}, {"n": 3}]}',
]
PIECES = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"null", b"true", b'""', b"{}", b"[]", b'"first"'),
    *(b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\x00", b"\\ud800", b"\\udc00\\ud800", b"\\u0000", b"\\", b'"'),
    *(b"{", b"}", b"[", b"]", b",", b":", b"9" * 400, b"9" * 5_000, b"[" * 300, b'{"a":' * 300, b" " * 50),
    *("\u202e".encode(), "\u2028".encode(), b"\x1b[31m", b'"first":', b'"name":', b'"share":', b'"lines":'),
]


def mutated(random: Source) -> bytes | str:
    """JSON, or what is left of it."""
    text = bytearray(random.choice(SEEDS))
    for _ in range(random.randint(0, 4)):
        at = random.randint(0, len(text))
        match random.randrange(5):
            case 0:
                text[at:at] = random.choice(PIECES)
            case 1:
                del text[at : at + random.randint(1, 5)]
            case 2:
                text[at : at + 1] = bytes([random.randrange(256)])
            case 3:
                text[at : at + random.randint(0, 8)] = random.choice(PIECES)
            case _:
                text[at:at] = text[random.randint(0, len(text)) :][:20]
    match random.randrange(8):
        case 0:
            return text.decode("utf-8", "surrogateescape")
        case 1:
            return text.decode("latin-1").encode(random.choice(["utf-16", "utf-32", "utf-8-sig"]))
        case _:
            return bytes(text)


class Harm(Exception):
    """What hostile objects raise."""


class Raising:
    """Every question is answered with an error."""

    def __getattribute__(self, name: str) -> Any:
        raise Harm(name)

    def _raise(self, *_: Any) -> Any:
        raise Harm

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = _raise
    __index__ = __getitem__ = __lt__ = __contains__ = _raise


class Liar:
    """Says that it is a dict, at great length."""

    __class__ = dict  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "\u202e" + "x" * 1_000_000


class EvilText(str):
    """Text whose methods raise."""

    __slots__ = ()

    def _raise(self, *_: Any) -> Any:
        raise Harm

    __repr__ = __str__ = __eq__ = __len__ = __getitem__ = __iter__ = _raise  # type: ignore[assignment]
    __hash__ = str.__hash__


class EvilNumber(int):
    def _raise(self, *_: Any) -> Any:
        raise Harm

    __repr__ = __str__ = __eq__ = __lt__ = __gt__ = __int__ = __index__ = __float__ = _raise  # type: ignore[assignment]
    __hash__ = int.__hash__


class EvilDict(dict[str, Any]):
    def _raise(self, *_: Any) -> Any:
        raise Harm

    __repr__ = __iter__ = __len__ = __getitem__ = keys = items = get = __contains__ = _raise  # type: ignore[assignment]


class Endless(Mapping[str, Any]):
    """A mapping without an end."""

    def __getitem__(self, key: str) -> Any:
        return 1

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield f"x{number}"
            number += 1

    def __len__(self) -> int:
        return 1


class Broken(UserDict[str, Any]):
    """A mapping that has no values."""

    def __getitem__(self, key: str) -> Any:
        raise Harm

    def __iter__(self) -> Iterator[str]:
        return iter(["first"])


def endless() -> Any:
    found: Any = {}
    found["first"] = found["lines"] = [found]
    return found


def deep(depth: int) -> Any:
    found: Any = 1
    for number in range(depth):
        found = [found] if number % 2 else {"first": found}
    return found


def scalars() -> list[Any]:
    """Made anew and not kept: other tests look at every object that lives."""
    return [
        *(None, True, 0, -1, 2**63, 2**64, 10**400, 10**4_299, 10**5_000, -(10**5_000), 0.5, -0.0, 1e308),
        *(
            float("nan"),
            float("inf"),
            float("-inf"),
            1j,
            "",
            "a",
            "5",
            "aaa",
            "red",
            "\ud800",
            "a\udfff",
            "\u202e",
        ),
        *(
            "\x00",
            "x" * 10_000,
            "a" * 5_000 + "!",
            "9" * 5_000,
            b"",
            b"\xff",
            b"5",
            bytearray(b"a"),
            object(),
            int,
        ),
        *(
            Raising(),
            Liar(),
            EvilText("first"),
            EvilNumber(5),
            EvilDict(first=1),
            Colour.RED,
            ...,
            SecretStr("hunter2"),
        ),
        *(range(5), {1, 2}, frozenset({1}), (1, 2), memoryview(b"a"), iter([1, 2]), deep(10_000), endless()),
    ]


def keys() -> list[Any]:
    """Names of arguments, and what is none."""
    return [
        *(
            "first",
            "name",
            "share",
            "lines",
            "inner",
            "order",
            "entry",
            "at",
            "given",
            "secret",
            "anything",
            "tags",
        ),
        *("", "\ud800", "\u202e", "x" * 1_000, "self", "__class__", 1, None, (1, 2), 0.5, EvilText("first")),
        *(EvilText("evil"), b"first", True),
    ]


class Source(random.Random):
    """A random source that knows what to choose from."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.scalars, self.keys = scalars(), keys()


def thing(random: Source, depth: int = 0) -> Any:
    """Any Python object, some of them containers of such."""
    if depth > 3 or random.random() < 0.6:
        return random.choice(random.scalars)
    inner = [thing(random, depth + 1) for _ in range(random.randint(0, 3))]
    match random.randrange(4):
        case 0:
            return inner
        case 1:
            return tuple(inner)
        case _:
            return keyed(random, inner)


def keyed(random: Source, values: list[Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for value in values:
        try:
            found[random.choice(random.keys[:12] if random.random() < 0.7 else random.keys)] = value
        except Harm:  # two keys that are hostile to each other
            continue
    return found


def objects(random: Source) -> Any:
    """Arguments as Python code gives them."""
    match random.randrange(12):
        case 0:
            return thing(random)
        case 1:
            return random.choice(
                [Endless(), Broken(), Raising(), Liar(), EvilDict(first=1), endless(), deep(10_001)]
            )
        case 2:
            return UserDict(keyed(random, [thing(random)]))
        case _:
            return keyed(random, [thing(random, 1) for _ in range(random.randint(1, 4))])


def inputs(seed: int, count: int) -> Iterator[tuple[Tool[..., Any], Any]]:
    """So many pairs of a tool and what is given to it; the same for the same seed."""
    source = Source(seed)
    for number in range(count):
        given = mutated(source) if number % 2 else objects(source)
        yield TOOLS[source.randrange(len(TOOLS))], given


EXTREMES: dict[str, Callable[[], Any]] = {
    "many unknown keys": lambda: {f"x{number}": number for number in range(100_000)},
    "many unknown keys in JSON": lambda: json.dumps({f"x{number}": number for number in range(100_000)}),
    "a long key": lambda: {"x" * 1_000_000: 1},
    "a long key in JSON": lambda: json.dumps({"x" * 1_000_000: 1}),
    "a long value": lambda: {"first": ["x" * 1_000_000]},
    "many digits": lambda: '{"first": ' + "9" * 5_000 + "}",
    "a million digits": lambda: b'{"first": ' + b"9" * 1_000_000 + b"}",
    "a long int": lambda: {"first": 10**5_000},
    "deep JSON": lambda: "[" * 10_000 + "]" * 10_000,
    "deep JSON in an argument": lambda: '{"first": ' + "[" * 10_000 + "]" * 10_000 + "}",
    "deep objects in JSON": lambda: '{"first": ' * 10_000 + "1" + "}" * 10_000,
    "a deep mapping": lambda: {"first": deep(10_000)},
    "a deep mapping of mappings": lambda: deep(10_001),
    "a mapping in itself": lambda: endless(),
    "no UTF-8": lambda: b'{"first": "\xff"}',
    "UTF-16": lambda: '{"first": 1}'.encode("utf-16"),
    "UTF-32": lambda: '{"first": 1}'.encode("utf-32"),
    "a byte order mark": lambda: b'\xef\xbb\xbf{"first": 1}',
    "a byte order mark in text": lambda: '\ufeff{"first": 1}',
    "no bytes": lambda: b"",
    "a list": lambda: "[]",
    "null": lambda: "null",
    "a number": lambda: b"5",
    "half a pair in JSON": lambda: '{"first": "\\ud800"}',
    "half a pair in a key in JSON": lambda: '{"\\ud800": 1}',
    "half a pair in text": lambda: '{"first": "\ud800"}',
    "NaN in JSON": lambda: '{"first": NaN}',
    "Infinity in JSON": lambda: b'{"first": [-Infinity]}',
    "a mapping without end": lambda: Endless(),
    "a mapping that raises": lambda: Broken(first=1),
    "a dict that raises": lambda: EvilDict(first=Raising()),
    "an object that raises": lambda: Raising(),
    "an object that lies": lambda: Liar(),
    "a value that raises": lambda: {"zzz": Raising()},
    "a key that is no text": lambda: {1: 1},
    "a key of another kind": lambda: {(1, 2): 1},
    "a key that raises": lambda: {EvilText("evil"): 1},
}
