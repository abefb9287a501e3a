"""What a host picks and sets is a frozen dataclass with slots: a setting neither changes nor is misspelt."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from house.public_names import LIST
from house.source import module_name, python_files

ROOMS = ("toolcase.middleware.", "toolcase.retry.", "toolcase.timer", "toolcase.bulkhead")
TOOLS_OWN = {"ToolsOwnBulkhead", "ToolsOwnTimeout"}
"""What `@tool` sets."""
NOT_FROZEN = {
    "LoggingMiddleware": "it keeps the logger that it has bound at the first call",
    "MetricsMiddleware": "it keeps what it has counted, and writes that with every call",
    "StreamLoggingMiddleware": "it keeps the logger that it has bound at the first stream",
    "StreamMetricsMiddleware": "it keeps what it has counted, and writes that with every chunk",
    "TracingMiddleware": "it keeps the tracer that it has found",
}
PUBLIC = {name.rpartition(".")[2] for name in LIST.read_text(encoding="utf-8").split()}

SETTINGS = sorted(
    (
        kind
        for name in map(module_name, python_files("toolcase"))
        if name.startswith(ROOMS)
        for kind in vars(importlib.import_module(name)).values()
        if dataclasses.is_dataclass(kind) and kind.__module__ == name and kind.__name__ in PUBLIC | TOOLS_OWN
    ),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_settings_do_not_change(kind: type) -> None:
    assert kind.__dataclass_params__.frozen or kind.__name__ in NOT_FROZEN


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_settings_have_slots(kind: type) -> None:
    assert not hasattr(object.__new__(kind), "__dict__")


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_what_they_keep_is_neither_given_nor_shown(kind: type) -> None:
    own = [field for field in dataclasses.fields(kind) if field.name.startswith("_")]

    assert [field.name for field in own if field.init or field.repr] == []


def test_no_reason_outlives_its_settings() -> None:
    names = {kind.__name__ for kind in SETTINGS if not kind.__dataclass_params__.frozen}

    assert set(NOT_FROZEN) == names
