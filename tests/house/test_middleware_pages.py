"""Every middleware has a page, all with the same headings, and its table of settings leaves none out."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from house.source import ROOT

HEADINGS = ["What", "When", "When not", "Settings", "Events and spans", "Failure modes"]

PAGES = {
    page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "): page
    for page in sorted(ROOT.glob("docs/reference/middleware-*.md"))
}
"""By the class that each is about."""

PLUGINS = {
    "RateLimitMiddleware": ("toolcase_limits", ROOT / "plugins" / "limits" / "README.md"),
    "CacheMiddleware": ("toolcase_cache", ROOT / "plugins" / "cache" / "README.md"),
    "CoalesceMiddleware": ("toolcase_cache", ROOT / "plugins" / "cache" / "README.md"),
}

RUNTIME = vars(importlib.import_module("toolcase.runtime"))
OURS = {name for name in RUNTIME if name.endswith("Middleware")} - {"StreamMiddleware"}
"""Without the one that is a form, and has a guide."""
CLASSES = {
    **{name: RUNTIME[name] for name in OURS},
    **{name: getattr(importlib.import_module(module), name) for name, (module, _) in PLUGINS.items()},
}


def page_of(name: str) -> Path:
    return PLUGINS[name][1] if name in PLUGINS else PAGES[name]


def test_each_has_a_page() -> None:
    assert set(PAGES) == OURS


@pytest.mark.parametrize("page", sorted({page_of(name) for name in CLASSES}), ids=lambda page: page.stem)
def test_its_headings_are_those_of_all(page: Path) -> None:
    found = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)

    ours = [heading for heading in found if heading in HEADINGS]

    assert ours == HEADINGS * (len(ours) // len(HEADINGS))
    assert ours


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_its_table_has_every_setting(name: str) -> None:
    text = page_of(name).read_text(encoding="utf-8")
    settings = {field.name for field in dataclasses.fields(CLASSES[name]) if field.init}

    told = {
        word
        for row in re.findall(r"^\| (.+?) \|", text, flags=re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }

    assert settings - told == set()
