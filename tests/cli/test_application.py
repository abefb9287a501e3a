"""How the app is named, and what is said where it is not there."""

import sys

import pytest


@pytest.mark.parametrize("name", ["app:registry", "app:make"])
def test_a_registry_or_a_function_that_gives_one(run, name):
    result = run("--app", name, "call", "hello")

    assert (result.exit_code, result.stdout) == (0, "hello\n")


def test_the_current_folder_is_on_the_path_once(run, folder):
    run("--app", "app:registry", "list")
    run("--app", "app:registry", "list")

    assert sys.path[0] == str(folder)
    assert sys.path.count(str(folder)) == 1


def test_pyproject_names_the_app(run, folder):
    (folder / "pyproject.toml").write_text('[tool.toolcase]\napp = "app:registry"')

    assert run("call", "hello").stdout == "hello\n"


def test_the_option_comes_before_pyproject(run, folder):
    (folder / "pyproject.toml").write_text('[tool.toolcase]\napp = "nowhere:registry"')

    assert run("--app", "app:registry", "call", "hello").stdout == "hello\n"


def test_a_parent_folder_names_the_app_that_is_in_it(run, folder, monkeypatch):
    (folder / "pyproject.toml").write_text('[tool.toolcase]\napp = "app:registry"')
    (below := folder / "member" / "source").mkdir(parents=True)
    (folder / "member" / "pyproject.toml").write_text("[tool.other]\nkey = 1")
    monkeypatch.chdir(below)

    assert run("call", "hello").stdout == "hello\n"


@pytest.mark.parametrize("text", ["", "tool = 1", "[tool]\ntoolcase = 1"])
def test_without_an_app_both_ways_are_told(run, folder, text):
    (folder / "pyproject.toml").write_text(text)

    result = run("list")

    assert result.exit_code == 2
    assert "toolcase --app module:registry" in result.stderr
    assert "[tool.toolcase]" in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool", "pyproject.toml: "),
        ("[tool.toolcase]\napp = 5", 'is "module:registry", got 5'),
    ],
)
def test_a_pyproject_that_makes_no_sense(run, folder, text, told):
    (folder / "pyproject.toml").write_text(text)

    result = run("list")

    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("app", "an app is named module:registry, got 'app'"),
        (":registry", "an app is named module:registry, got ':registry'"),
        ("app:", "an app is named module:registry, got 'app:'"),
        ("nowhere:registry", "no module named 'nowhere' in "),
        ("nowhere.inside:registry", "no module named 'nowhere' in "),
        ("app.py:registry", "leave out the .py: app:..."),
        ("app:registri", "module 'app' has no 'registri'; did you mean 'registry'?"),
        ("app:xyz", "module 'app' has no 'xyz'; name a Registry"),
        ("app:number", "'app:number' is no Registry"),
        ("app:number", "but of type int"),
        ("app:hello", "but of type Tool"),
        ("app:Registry", "but of type type"),
        ("app:make_with", "but of type function"),
        ("app:make_later", "but of type function"),
    ],
)
def test_a_name_that_leads_nowhere_is_wrong_usage(run, name, told):
    result = run("--app", name, "list")

    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_a_missing_import_of_the_app_is_not_taken_for_a_missing_app(run, folder):
    (folder / "app.py").write_text("import no_such_library")

    result = run("--app", "app:registry", "list")

    assert result.exit_code == 1
    assert "No module named 'no_such_library' (while importing 'app')" in result.stderr
