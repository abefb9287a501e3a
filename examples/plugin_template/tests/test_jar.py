"""Jars: what is in them, and what is drawn."""

from pathlib import Path

import pytest

from toolcase_fortune.jar import SAYINGS, Jar, open_jar


def test_draws_one_of_its_sayings() -> None:
    assert Jar(("rain", "sun")).draw() in {"rain", "sun"}


def test_a_url_without_a_path_opens_the_jar_of_the_package() -> None:
    assert open_jar("fortune:").sayings == SAYINGS


def test_a_url_with_a_path_opens_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sayings.txt"
    file.write_text("rain\n\n  sun\n", encoding="utf-8")

    assert open_jar(f"fortune:{file}").sayings == ("rain", "sun")


def test_refuses_a_file_without_sayings(tmp_path: Path) -> None:
    file = tmp_path / "sayings.txt"
    file.write_text("\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"there is no saying in .* write one to a line"):
        open_jar(f"fortune:{file}")
