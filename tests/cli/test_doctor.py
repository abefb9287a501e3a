"""`toolcase doctor`."""

import json

import pytest

from toolcase.cli import doctor

HANGS = "import threading\nthreading.Event().wait()"
DIES = "import os\nos._exit(7)"


def lines(result):
    """What is said, without the marks' padding."""
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_a_healthy_installation_ends_with_0(run, hello):
    result = run("doctor")

    assert result.exit_code == 0
    assert "ok hello: toolcase-hello 1.0: 1 tool, 1 middleware, 1 port, 2 commands, a lifespan" in lines(
        result
    )
    assert lines(result)[-1] == "errors: 0, warnings: 0"


def test_python_and_the_event_loops_are_shown(run):
    said = lines(run("doctor"))

    assert any(line.startswith("ok Python 3.") and line.endswith("(CPython)") for line in said)
    assert any(line.startswith("ok toolcase 0.") for line in said)
    assert any(line.startswith("ok asyncio, through anyio 4.") for line in said)
    assert any(line.startswith("ok trio 0.") for line in said)


def test_another_python_is_a_warning(run, monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_implementation", lambda: "PyPy")

    result = run("doctor")

    assert result.exit_code == 0
    assert any(line.endswith("(PyPy): toolcase is tested on CPython only") for line in lines(result))


def test_without_trio_the_line_that_installs_it_is_shown(run, monkeypatch):
    def version(name):
        if name == "trio":
            raise doctor.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)

    assert "ok trio: it is not installed; pip install 'toolcase[testing]' to run on it" in lines(
        run("doctor")
    )


def test_a_missing_extra_is_an_error_with_the_line_that_installs_it(run, install):
    install("broken", "import fancy", requires="fancy; extra == 'nice'")

    result = run("doctor")

    assert result.exit_code == 1
    assert (
        "error broken (toolcase-broken 1.0): ModuleNotFoundError: No module named 'fancy'; pip install "
        "'toolcase-broken[nice]', or leave it out with TOOLCASE_DISABLE_PLUGINS=broken"
    ) in lines(result)
    assert lines(result)[-1] == "errors: 1, warnings: 0"


def test_a_plugin_that_ends_its_process_is_named_and_the_others_are_well(run, hello, install):
    install("killer", DIES)

    result = run("doctor")

    said = "\n".join(lines(result))
    assert result.exit_code == 1
    assert (
        "error killer (toolcase-killer 1.0): it ends its process, with exit code 7; "
        "leave it out with TOOLCASE_DISABLE_PLUGINS=killer, and tell its author"
    ) in said
    assert "ok hello: " in said
    assert said.count("killer") == 3


def test_a_plugin_that_hangs_is_named_when_its_time_is_over(run, install):
    install("slow", HANGS)

    result = run("doctor", "--timeout", "1")

    assert result.exit_code == 1
    assert any(
        "error slow (toolcase-slow 1.0): it has not loaded within 1 s" in line for line in lines(result)
    )


def test_a_plugin_whose_thread_keeps_programs_from_ending_is_named(run, install):
    install(
        "lasting",
        "import threading, time\n"
        "from toolcase import hookimpl\n"
        "threading.Thread(target=time.sleep, args=[60], name='pump').start()\n"
        "@hookimpl\n"
        "def toolcase_tools(): return []\n",
    )

    result = run("doctor")

    assert result.exit_code == 0
    wanted = (
        "warn lasting (toolcase-lasting 1.0): it starts a thread that keeps every program from ending: pump"
    )
    assert any(line.startswith(wanted) for line in lines(result))


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_a_time_that_is_none_is_wrong_usage(run, seconds):
    assert run("doctor", "--timeout", seconds).exit_code == 2


def test_one_left_out_is_not_loaded(run, install, monkeypatch):
    install("killer", DIES)
    monkeypatch.setenv("TOOLCASE_DISABLE_PLUGINS", "*")

    result = run("doctor")

    assert result.exit_code == 0
    assert "ok killer: toolcase-killer 1.0: LEFT OUT by TOOLCASE_DISABLE_PLUGINS" in lines(result)


def test_only_what_is_to_be_loaded_is(run, hello, install, monkeypatch):
    install("killer", DIES)
    monkeypatch.setenv("TOOLCASE_LOAD_PLUGINS", "hello")

    result = run("doctor")

    assert result.exit_code == 0
    assert "ok killer: toolcase-killer 1.0: LEFT OUT by TOOLCASE_LOAD_PLUGINS" in lines(result)


def test_plugins_that_die_together_only_are_told_of(run, hello, install):
    install("jealous", "import os, sys\nif 'hello' in sys.modules: os._exit(9)")

    result = run("doctor")

    assert result.exit_code == 1
    assert (
        "error all together: it ends its process, with exit code 9; "
        "find out which, with TOOLCASE_DISABLE_PLUGINS"
    ) in lines(result)


def test_one_that_needs_another_is_well_beside_it(run, hello, install):
    manifest = "toolcase.PluginManifest(name='friend', dependencies=['hello'])"
    install("friend", f"import toolcase\n@toolcase.hookimpl\ndef toolcase_plugin(): return {manifest}")

    assert run("doctor").exit_code == 0


def test_settings_that_cannot_be_read_are_an_error(run, hello, folder):
    (folder / "pyproject.toml").write_text("[tool.toolcase.plugins]\nhello = 5")

    result = run("doctor")

    assert result.exit_code == 1
    assert "error all together: [tool.toolcase.plugins] in " in "\n".join(lines(result))


def test_a_pyproject_that_makes_no_sense_is_an_error_and_not_the_end(run, folder):
    (folder / "pyproject.toml").write_text("[tool")

    result = run("doctor")

    assert result.exit_code == 1
    assert any(line.startswith("error pyproject.toml: cannot read ") for line in lines(result))


def test_a_command_that_has_a_name_of_ours_is_a_warning(run, install):
    offer = "toolcase.Command(name='list', target='a:b')"
    install("other", f"import toolcase\n@toolcase.hookimpl\ndef toolcase_commands(): return [{offer}]")

    result = run("doctor")

    assert result.exit_code == 0
    assert "warn plugin 'other' offers a command 'list', which is toolcase's own and stays so" in lines(
        result
    )


def test_no_plugins_and_no_app_are_no_error(run, monkeypatch):
    monkeypatch.setattr("toolcase.plugins.installed.distributions", lambda: ())
    monkeypatch.setenv("TOOLCASE_LOAD_PLUGINS", "")

    result = run("doctor")

    assert result.exit_code == 0
    assert "ok none is named, so no tools were looked at" in lines(result)


@pytest.mark.parametrize("way", ["option", "pyproject"])
def test_the_tools_of_the_app_are_looked_at(run, folder, way):
    if way == "pyproject":
        (folder / "pyproject.toml").write_text('[tool.toolcase]\napp = "app:registry"')

    result = run(*(["--app", "app:registry"] if way == "option" else []), "doctor")

    assert result.exit_code == 0
    assert "ok tools: 11" in lines(result)
    assert any(line.startswith("warn lost: ") for line in lines(result))
    assert lines(result)[-1] == "errors: 0, warnings: 1"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import fancy", "ModuleNotFoundError: No module named 'fancy' (while importing 'sick')"),
        ("registry = 5", "'sick:registry' is no Registry"),
        (DIES, "it ends its process, with exit code 7"),
    ],
)
def test_an_app_that_cannot_be_had_is_an_error(run, folder, code, told):
    (folder / "sick.py").write_text(code)

    result = run("--app", "sick:registry", "doctor")

    assert result.exit_code == 1
    assert any(line.startswith("error sick:registry: ") and told in line for line in lines(result))


def test_an_app_that_loads_plugins_does_so_without_those_that_do_not_come_back(run, hello, install, folder):
    install("killer", DIES)
    (folder / "hosts.py").write_text(
        "import toolcase\nregistry = toolcase.Registry()\ntoolcase.PluginRegistry.load().install(registry)\n"
    )

    assert "ok tools: 1" in lines(run("--app", "hosts:registry", "doctor"))


@pytest.mark.parametrize("words", [("doctor", "--json"), ("--json", "doctor")])
def test_json_has_the_same(run, install, words):
    install("broken", "import fancy")

    result = run(*words)

    data = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (data["errors"], data["warnings"]) == (1, 0)
    found = next(check for check in data["sections"]["Plugins"] if check["mark"] == "error")
    assert found["about"] == "broken (toolcase-broken 1.0)"
    assert found["mend"].startswith("install the distribution that has 'fancy'")


def test_what_a_plugin_says_steers_no_terminal(run, install):
    install("broken", "raise ValueError('\\x1b[2J')")

    assert "\\x1b[2J" in run("doctor", color=True).stdout
