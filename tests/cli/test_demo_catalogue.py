"""The demo's tools over this machine's packages."""

import sqlite3
from pathlib import Path

import pytest

from toolcase.cli.demo_catalogue import Catalogue, fill


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    fill(tmp_path / "packages.sqlite")
    return Catalogue(tmp_path / "packages.sqlite")


def test_the_file_has_the_packages_of_this_machine(tmp_path):
    count = fill(tmp_path / "packages.sqlite")

    rows = Catalogue(tmp_path / "packages.sqlite").query_packages("SELECT count(*) AS count FROM packages")

    assert rows == [{"count": count}]


def test_a_package_that_is_not_installed_has_a_hint(catalogue):
    with pytest.raises(LookupError, match="'clik' is not installed; did you mean 'click'\\?"):
        catalogue.find_package("clik")


def test_a_name_like_no_other_has_none(catalogue):
    with pytest.raises(LookupError, match="nothing like it is"):
        catalogue.find_package("zzzzzzzzzzzzzzzz")


def test_a_broken_installation_is_passed_over(catalogue, tmp_path, monkeypatch):
    (tmp_path / "broken-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    assert fill(tmp_path / "again.sqlite") > 0


def test_queries_cannot_write(catalogue):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        catalogue.query_packages("DELETE FROM packages")
