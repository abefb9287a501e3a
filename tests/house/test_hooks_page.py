"""The page of the hooks names all that there is, each hook in a section of its own."""

from __future__ import annotations

import inspect
import re

import pytest

from house.pages import anchors, prose
from house.source import ROOT
from toolcase import Command, PluginFailed, PluginManifest, PluginRegistry, PluginType, PortFactory
from toolcase.hooks import Hooks

TEXT = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", "\n".join(prose(TEXT))))))
"""Every word that stands in backticks."""

HOOKS = {name: hook for name, hook in vars(Hooks).items() if name.startswith("toolcase_")}
RECORDS = (Command, PluginFailed, PluginManifest, PortFactory)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_section_and_its_parameters(name: str) -> None:
    parameters = [f"`{each}`" for each in inspect.signature(HOOKS[name]).parameters if each != "self"]

    assert name in anchors(TEXT)
    assert f"| [`{name}`](#{name}) | {', '.join(parameters) or 'none'} |" in TEXT


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_has_all_its_fields(record: type) -> None:
    assert set(record.__struct_fields__) <= CODE


def test_the_registry_of_plugins_has_all_its_verbs_and_settings() -> None:
    verbs = {name for name in vars(PluginRegistry) if not name.startswith("_")}
    verbs |= {name for name in vars(PluginRegistry()) if not name.startswith("_")}
    settings = {*inspect.signature(PluginRegistry.load).parameters}

    assert verbs | settings <= CODE


def test_all_types_of_plugins_are_named() -> None:
    assert {each.name for each in PluginType} <= CODE
