"""What is told of a plugin that cannot be used."""

import logging
import threading
from dataclasses import dataclass
from types import SimpleNamespace

import msgspec
import pydantic
import pytest
from pydantic import SecretStr

from toolcase import PluginError, PluginFailed
from toolcase.plugins import faults
from toolcase.plugins.faults import SLOW_SECONDS, note_secrets, said_of, watched
from toolcase.secrets import Secrets


def fault(**facts):
    given = {"plugin": "http", "distribution": "toolcase-http 1.2", "during": "load", "said": "it is broken"}
    return PluginFailed(**{**given, "mend": "mend it", "error": ValueError("no"), **facts})


def test_an_error_says_what_is_wrong_and_what_mends_it():
    error = PluginError("it is broken", "mend it")

    assert (str(error), error.said, error.mend) == ("it is broken; mend it", "it is broken", "mend it")


def test_an_error_may_know_no_mend():
    assert str(PluginError("it is broken")) == "it is broken"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "plugin 'http' (toolcase-http 1.2) is out of order: it is broken; mend it"),
        ({"distribution": ""}, "plugin 'http' is out of order: it is broken; mend it"),
        ({"mend": ""}, "plugin 'http' (toolcase-http 1.2) is out of order: it is broken"),
    ],
)
def test_a_fault_says_all_in_one_line(facts, said):
    assert str(fault(**facts)) == said


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("even this fails")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ValueError("red \x1b[31m"), "ValueError: red \\x1b[31m"),
        (PluginError("it is broken", "mend it"), "it is broken"),
        (KeyError(), "KeyError"),
        (Mute(), "Mute: <no message: it raised RuntimeError>"),
        (ExceptionGroup("one", [ExceptionGroup("one", [ValueError("no")])]), "ValueError: no"),
        (ExceptionGroup("two", [ValueError("a"), KeyError("b")]), "ExceptionGroup: two (2 sub-exceptions)"),
    ],
)
def test_what_is_wrong_is_one_line(error, said):
    assert said_of(error, Secrets()) == said


def test_what_is_wrong_holds_no_secret():
    secrets = Secrets()
    secrets.add("hunter2hunter2")

    assert said_of(ValueError("no hunter2hunter2"), secrets) == "ValueError: no [redacted]"


class Model(pydantic.BaseModel):
    token: str = ""
    inside: object = None


@dataclass(slots=True)
class Dataclass:
    token: object


class Struct(msgspec.Struct):
    token: str


class TestNoteSecrets:
    """What is kept out of all that is told, because settings tell that it is secret."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"api_key": "hunter2hunter2"},
            {"api_key": b"hunter2hunter2"},
            {"url": SecretStr("hunter2hunter2")},
            {"servers": [{"password": "hunter2hunter2"}]},
            {"tokens": {}, "passwords": ("x", "hunter2hunter2")},
            {"credentials": {"user": "hunter2hunter2"}},
            Model(token="hunter2hunter2"),
            Model(inside=Dataclass(token="hunter2hunter2")),
            Model(inside=Struct(token="hunter2hunter2")),
            Model(inside=Dataclass(token=[SecretStr("hunter2hunter2")])),
            {"inside": SimpleNamespace(token="hunter2hunter2")},
        ],
    )
    def test_takes_in_what_its_name_or_type_tells(self, settings):
        secrets = Secrets()

        note_secrets(secrets, settings)

        assert secrets.redact("hunter2hunter2") == "[redacted]"

    @pytest.mark.parametrize(
        "settings",
        [
            {"url": "hunter2hunter2"},
            {"token": 12345678},
            "hunter2hunter2",
            5,
        ],
    )
    def test_leaves_the_rest(self, settings):
        secrets = Secrets()

        note_secrets(secrets, settings)

        assert not secrets

    @pytest.mark.parametrize("value", ["abc", "", SecretStr("abc")])
    def test_passes_over_what_is_too_short_to_be_masked(self, value):
        secrets = Secrets()

        note_secrets(secrets, {"token": value, "password": "hunter2hunter2"})

        assert secrets.redact("abc hunter2hunter2") == "abc [redacted]"

    def test_comes_to_an_end_where_settings_hold_themselves(self):
        settings, secrets = {"token": "hunter2hunter2"}, Secrets()
        settings["again"] = [settings]

        note_secrets(secrets, settings)

        assert secrets


class TestWatched:
    """Naming a plugin that takes long."""

    def test_names_one_that_still_loads(self, monkeypatch):
        monkeypatch.setattr(faults, "SLOW_SECONDS", 0.001)
        told = threading.Event()

        class Tells(logging.Handler):
            def emit(self, record):
                said.append(record.getMessage())
                told.set()

        said, handler = [], Tells()
        logging.getLogger("toolcase").addHandler(handler)
        with watched("slow"):
            assert told.wait(10)
        logging.getLogger("toolcase").removeHandler(handler)

        expected = "plugin 'slow' still loads after 0.001 s; run `toolcase doctor` to see where it hangs"
        assert said == [expected]

    def test_says_nothing_of_one_that_has_loaded(self, logged):
        before = set(threading.enumerate())

        with watched("quick"):
            (timer,) = set(threading.enumerate()) - before
        timer.join(10)

        assert (timer.interval, timer.daemon) == (SLOW_SECONDS, True)
        assert not timer.is_alive()
        assert logged == []

    def test_says_nothing_of_one_that_has_failed(self, logged):
        before = set(threading.enumerate())

        with pytest.raises(ValueError), watched("fails"):
            (timer,) = set(threading.enumerate()) - before
            raise ValueError
        timer.join(10)

        assert not timer.is_alive()
        assert logged == []
