"""`toolcase new plugin`: names, folders, nothing half written; house/test_template.py has what it writes."""

import json
from pathlib import Path

import pytest

from toolcase.cli.program import COMMANDS


def entries(folder: Path) -> set[str]:
    """What is in a folder, without the app that the fixture puts there."""
    return {path.name for path in folder.iterdir()} - {"app.py"}


def test_writes_a_plugin_into_a_folder_of_its_name(run, folder):
    result = run("new", "plugin", "my-notes")

    assert result.exit_code == 0
    assert entries(folder) == {"toolcase-my-notes"}
    project = (folder / "toolcase-my-notes" / "pyproject.toml").read_text()
    assert 'my-notes = "toolcase_my_notes.plugin:MyNotesPlugin"' in project


def test_says_what_to_do_next(run):
    result = run("new", "plugin", "notes", "--folder", "some notes")

    assert result.stdout.startswith("some notes has 17 files; what the plugin offers stands in")
    assert "cd 'some notes'\n  python -m pip install -e '.[test]'\n" in result.stdout


def test_json_names_the_files(run):
    said = json.loads(run("--json", "new", "plugin", "notes", "--folder", "here").stdout)

    assert (said["name"], said["folder"], len(said["files"])) == ("notes", "here", 17)
    assert "toolcase_notes/plugin.py" in said["files"]


def test_everybody_may_read_what_was_written(run, folder):
    run("new", "plugin", "notes")
    (folder / "usual").mkdir()

    assert (folder / "toolcase-notes").stat().st_mode == (folder / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("My Notes", "; 'my-notes' is one"),
        ("my_notes", "; 'my-notes' is one"),
        ("-notes-", "; 'notes' is one"),
        ("3d", "; 'd' is one"),
        ("toolcase-notes", "; 'notes' is one"),
        ("../notes", "; 'notes' is one"),
        ("", ""),
        ("7", ""),
    ],
)
def test_refuses_what_is_no_name_and_says_one_that_is(run, folder, name, mend):
    result = run("new", "plugin", "--", name)

    assert result.exit_code == 2
    assert result.stderr.endswith(f"leaves toolcase out, got {name!r}{mend}\n")
    assert entries(folder) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_refuses_the_name_of_a_command(run, folder, name):
    result = run("new", "plugin", name)

    assert result.exit_code == 2
    assert f"{name!r} is a command of toolcase, which would hide the plugin's; say another" in result.stderr
    assert entries(folder) == set()


def test_warns_of_a_name_that_an_installed_plugin_has(run, folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    metadata = folder / "notes-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-notes\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[toolcase]\nnotes = broken\n")

    result = run("new", "plugin", "notes")

    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: somebodys-notes 1.5 has a plugin 'notes' too; a host loads only one of them\n"
    )


def test_writes_into_an_empty_folder(run, folder):
    (folder / "here").mkdir()

    assert run("new", "plugin", "notes", "--folder", "here").exit_code == 0
    assert "pyproject.toml" in entries(folder / "here")


def test_leaves_a_folder_alone_that_is_not_empty(run, folder):
    result = run("new", "plugin", "notes", "--folder", ".")

    assert result.exit_code == 2
    assert f"{str(folder)!r} is not empty; name another with --folder" in result.stderr
    assert entries(folder) == set()


def test_makes_no_folders_above_the_one_that_is_named(run, folder):
    result = run("new", "plugin", "notes", "--folder", "a/b")

    assert result.exit_code == 2
    assert f"there is no folder {str(folder / 'a')!r}; make it first" in result.stderr
    assert entries(folder) == set()


@pytest.mark.parametrize("existing", [True, False])
def test_leaves_nothing_behind_when_it_cannot_write_all(run, folder, existing, monkeypatch):
    (folder / "place").mkdir()
    write, written = Path.write_text, []

    def until_the_disk_is_full(path, *arguments, **settings):
        if len(written) == 10:
            raise OSError("no space left on device")
        written.append(path)
        return write(path, *arguments, **settings)

    monkeypatch.setattr(Path, "write_text", until_the_disk_is_full)
    result = run("new", "plugin", "notes", "--folder", "place" if existing else "place/new")

    assert result.exit_code == 1
    assert "no space left on device" in result.stderr
    assert (len(written), entries(folder / "place")) == (10, set())
