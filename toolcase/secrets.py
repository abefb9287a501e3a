"""Secrets that must not leave the host: by their value wherever it stands, and by the name of a key."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from toolcase.plain import plain

MARK = "[redacted]"
MOST_SECRETS = 1_000
LEAST = 4
MOST_CUTS = 200
"""More than there are in any message of ours."""
ROUNDS = 10
LONGEST_KEY = 200

KEYS = frozenset({
    "password", "passwords", "passwd", "passphrase", "secret", "secrets", "token", "apikey", "apikeys",
    "authorization", "cookie", "cookies", "privatekey", "accesskey", "secretkey", "clientsecret",
    "accesstoken", "refreshtoken", "authtoken", "idtoken", "sessiontoken", "credential", "credentials",
})  # fmt: skip

_CUT = re.compile(r"(?=\.\.\.)")
"""How our own messages end a value that they do not show whole."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")


class Secrets:
    """Values and key names to be masked in what a registry shows to models, remote callers and logs.

    Any thread may add, remove and redact: what is in force is one tuple, replaced as a whole under a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str | bytes, set[str]] = {}
        self._forms: tuple[str, ...] = ()
        self._keys = KEYS

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._held)} registered>"

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __reduce__(self) -> Any:
        raise TypeError("secrets do not leave their process; of a result send `to_dict()`")

    def __deepcopy__(self, memo: Any) -> Secrets:
        return self

    def add(self, *values: Any) -> None:
        """Take in secrets: str, bytes, or one of pydantic's secret types; white space around them is none.

        ValueError for one that is too short, or a piece of the mark that stands in its place.
        """
        held = {secret: _forms(secret) for secret in map(_bare, values)}
        with self._lock:
            self._hold({**self._held, **held})

    def remove(self, *values: Any) -> None:
        """Forget secrets; one that is not known is forgotten already."""
        gone = set(map(_bare, values))
        with self._lock:
            self._hold({secret: forms for secret, forms in self._held.items() if secret not in gone})

    def _hold(self, held: dict[str | bytes, set[str]]) -> None:
        if len(held) > MOST_SECRETS:
            raise ValueError(
                f"{len(held):,} secrets are more than {MOST_SECRETS:,}, and every text is searched for each; "
                "remove those that no longer hold"
            )
        self._held = held
        self._forms = tuple(set().union(*held.values()))

    def add_key(self, *names: str) -> None:
        """Mask values under keys that end with these words, however joined: `pin_code`, `pinCode`."""
        keys = {"".join(_words(name)) for name in names}
        if "" in keys:
            raise ValueError(f"the name of a key needs letters, got {names!r}")
        with self._lock:
            self._keys |= keys

    def hides(self, key: str) -> bool:
        """Whether the words of this key end with those of a masked one: `x-api-key` and `accessToken` do."""
        words = _words(key)
        return any("".join(words[start:]) in self._keys for start in range(len(words)))

    def redact(self, text: str) -> str:
        """The text with the mark over each secret, as it is or as JSON, URLs, repr and base64 have it."""
        forms = self._forms
        if not forms:
            return text
        for _ in range(ROUNDS):
            spans = [*_spans(text, forms), *_cut_short(text, forms)]
            if not spans:
                return text
            text = _covered(text, spans)
        return MARK  # with what stood beside it a mark made a secret again and again

    def redact_data(self, value: Any) -> Any:
        """The value as plain JSON data without secrets, and without what stands under a masked key."""
        return self._cleaned(plain(value), by_key=True)

    def redact_values(self, data: Any) -> Any:
        """Plain JSON data without secrets, whatever its keys: in a result `token` may be that of a page."""
        return self._cleaned(data, by_key=False) if self._forms else data

    def _cleaned(self, data: Any, by_key: bool) -> Any:
        if isinstance(data, str):
            return self.redact(data)
        if isinstance(data, dict):
            shown = {
                name: MARK if by_key and _tells(item) and self.hides(name) else self._cleaned(item, by_key)
                for name, item in data.items()
            }
            return {self.redact(name): item for name, item in shown.items()}
        if isinstance(data, list):
            return [self._cleaned(item, by_key) for item in data]
        return MARK if _tells(data) and self.redact(str(data)) != str(data) else data


def _tells(item: Any) -> bool:
    """Whether it can give anything away: that there is none, or a yes or no, does not."""
    return item is not None and not isinstance(item, bool)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(key[-LONGEST_KEY:])]


def _bare(value: Any) -> str | bytes:
    """The secret in what was given."""
    reveal = getattr(value, "get_secret_value", None)
    secret = value if reveal is None else reveal()
    if not isinstance(secret, str | bytes):
        raise TypeError(f"a secret is text or bytes, got {type(secret).__name__}")
    return secret.strip()  # files and variables end it with a new line


def _forms(secret: str | bytes) -> set[str]:
    """The secret as texts have it."""
    if len(secret) < LEAST:
        raise ValueError(
            f"a secret must have at least {LEAST} characters, got one of {len(secret)}, which stands in too "
            "many texts; mask it by the name of its key, with add_key"
        )
    raw = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
    shown = {
        urllib.parse.quote(raw),
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote_plus(raw),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        repr(raw)[2:-1],
    }
    with contextlib.suppress(UnicodeDecodeError):
        text = raw.decode("utf-8", "surrogatepass")
        shown |= {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        shown |= {repr(text)[1:-1], repr(f"{text}'\"")[1:-4]}  # the latter inside a text with both quotes
    if any(form in MARK for form in shown):
        raise ValueError(f"a secret must not be a piece of {MARK!r}, which stands in its place")
    return shown


def _spans(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where secrets stand; of one that overlaps itself, as `abab` in `ababab`, each place."""
    for form in forms:
        start = text.find(form)
        while start >= 0:
            yield start, start + len(form)
            start = text.find(form, start + 1)


def _cut_short(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where a message shows the beginning of a secret, and was cut there."""
    for end in islice((found.start() for found in _CUT.finditer(text)), MOST_CUTS):
        for form in forms:
            start = text.find(form[:LEAST], max(0, end - len(form)), end)
            while start >= 0:
                if form.startswith(text[start:end]):
                    yield start, end
                start = text.find(form[:LEAST], start + 1, end)


def _covered(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with one mark over each run of spans."""
    shown: list[str] = []
    reached = 0
    for start, end in sorted(spans):
        if start >= reached:
            shown += [text[reached:start], MARK]
        reached = max(reached, end)
    return "".join([*shown, text[reached:]])
