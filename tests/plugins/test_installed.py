"""Which plugins are installed, what pyproject.toml says of them, and the line that mends a broken one."""

from importlib.metadata import EntryPoint, distributions
from itertools import permutations

import pytest

from installable.distributions import COUNTS, GREETS, GUARDS, Shipped
from toolcase.plugins import installed
from toolcase.plugins.installed import Found, configured, find, mend_of, normal


def named(found):
    return [each.entry.name for each in found]


def metadata(site, name, **files):
    """A distribution of these files, be they as they may."""
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    for file, text in files.items():
        path = folder / {"entry_points": "entry_points.txt", "metadata": "METADATA"}[file]
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.fixture
def faults():
    return []


@pytest.fixture
def report(faults):
    return lambda place, error: faults.append((place, type(error).__name__))


class TestFind:
    """The entry points of our group."""

    def test_gives_what_is_installed(self, install, report):
        install(GREETS)

        (found,) = find(report)

        assert (found.entry.name, found.distribution, found.version) == ("greets", "greets", "1.0")
        assert str(found) == "greets 1.0"
        assert found.requires == ()

    def test_gives_what_they_require(self, install, report):
        install(Shipped("needs", "", requires=("httpx>=1", "rich; extra == 'pretty'")))

        (found,) = find(report)

        assert found.requires == ("httpx>=1", "rich; extra == 'pretty'")

    def test_looks_wherever_python_looks(self, install, site, report, monkeypatch):
        install(GREETS)
        monkeypatch.setattr(installed, "distributions", distributions)

        assert "greets" in named(find(report))

    def test_the_order_of_installing_does_not_matter(self, tmp_path, report, monkeypatch):
        folders = []
        for shipped in (GREETS, COUNTS, GUARDS):
            folders.append(tmp_path / f"of-{shipped.name}")
            shipped.install(folders[-1])

        for order in permutations(map(str, folders)):
            monkeypatch.setattr(installed, "distributions", lambda order=order: distributions(path=order))
            assert named(find(report)) == ["counts", "greets", "guards"]

    def test_of_two_with_one_name_the_first_on_the_path_is_meant(self, tmp_path, report, monkeypatch):
        folders = [str(tmp_path / "a"), str(tmp_path / "b")]
        for folder in folders:
            Shipped("Same.Name" if folder.endswith("a") else "same-name", "", entry=folder[-1]).install(
                tmp_path / folder[-1]
            )
        for path in (folders, folders[::-1]):
            monkeypatch.setattr(installed, "distributions", lambda path=path: distributions(path=path))
            assert named(find(report)) == [path[0][-1]]

    def test_passes_over_those_of_other_groups(self, site, report, faults):
        metadata(site, "other", metadata="Name: other", entry_points="[console_scripts]\na = b:c\n")
        metadata(site, "none", metadata="Name: none")

        assert find(report) == []
        assert faults == []

    def test_a_broken_one_that_is_none_of_ours_does_not_matter(self, install, site, report, faults):
        install(GREETS)
        metadata(site, "broken", metadata="Name: broken", entry_points="[console_scripts]\nno equals sign\n")

        assert named(find(report)) == ["greets"]
        assert faults == []

    def test_one_without_a_name_is_called_after_its_folder(self, site, report, faults):
        metadata(site, "nameless", metadata="Metadata-Version: 2.1\n", entry_points="[toolcase]\na = b\n")

        (found,) = find(report)

        assert str(found) == "nameless-1-0-dist-info"
        assert faults == []

    @pytest.mark.parametrize(
        "files",
        [
            {"metadata": "Name: a\n", "entry_points": "[toolcase]\nno equals sign\n"},
            {"metadata": "Name: a\n", "entry_points": b"[toolcase]\n\xff = \xfe\n"},
            {"metadata": b"Name: \xff\xfe\n", "entry_points": "[toolcase]\na = b\n"},
        ],
    )
    def test_one_that_cannot_be_read_is_reported_and_the_others_are_found(
        self, files, install, site, report, faults
    ):
        install(GREETS)
        metadata(site, "a", **files)

        assert named(find(report)) == ["greets"]
        assert [place for place, _ in faults] == ["a-1.0.dist-info"]


@pytest.mark.parametrize("name", ["My.Tools", "my_tools", "MY--tools", "my-._tools"])
def test_names_of_distributions_are_compared_as_the_index_does(name):
    assert normal(name) == "my-tools"


def found_of(*requires, name="my-tools", value="my_tools.plugin:Plugin"):
    return Found(EntryPoint("tools", value, "toolcase"), name, "1.0", requires)


def absent(name):
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


class TestMendOf:
    """What mends a broken plugin."""

    @pytest.mark.parametrize(
        ("error", "requires", "mend"),
        [
            (absent("httpx"), ["httpx"], "pip install httpx"),
            (absent("httpx.client"), ["rich", "httpx >= 1, <2"], "pip install 'httpx>=1,<2'"),
            (
                absent("http_x"),
                ["HTTP.X[fast] (>=1) ; python_version > '3'"],
                "pip install 'HTTP.X[fast](>=1)'",
            ),
            (absent("httpx"), ["httpx>=1; extra == 'web'"], "pip install 'my-tools[web]'"),
            (absent("httpx"), ['httpx>=1; os_name != "x" and extra=="web"'], "pip install 'my-tools[web]'"),
            (absent("my_tools"), [], "pip install --force-reinstall my-tools"),
            (absent("my_tools.plugin"), [], "pip install --force-reinstall my-tools"),
            (
                absent("yaml"),
                ["pyyaml", "???"],
                "install the distribution that has 'yaml', which my-tools does not name",
            ),
            (ModuleNotFoundError("nameless"), [], "pip install --upgrade my-tools"),
            (ModuleNotFoundError("strange", name=5), [], "pip install --upgrade my-tools"),
            (SystemExit(), [], "tell its author that it ends the program"),
            (ValueError("any other"), [], "pip install --upgrade my-tools"),
        ],
    )
    def test_is_a_line_for_the_shell_where_there_is_one(self, error, requires, mend):
        assert mend_of(error, found_of(*requires)) == mend

    def test_what_metadata_say_is_no_command(self):
        found = found_of("httpx' && rm -rf ~ '", name="my-tools && rm")

        assert mend_of(absent("httpx"), found) == """pip install 'httpx'"'"'&&rm-rf~'"'"''"""
        assert mend_of(ValueError(), found) == "pip install --upgrade 'my-tools && rm'"

    def test_of_one_that_the_host_has_is_a_correction(self):
        assert mend_of(ValueError(), None) == "correct it, or do without it"


TABLES = '[tool.toolcase.plugins.http]\ntimeout = 5\n[tool.toolcase.plugins."a-b"]\n'


class TestConfigured:
    """What pyproject.toml says."""

    def test_gives_the_table_of_each_plugin(self, site):
        (site / "pyproject.toml").write_text(TABLES)

        assert configured(True) == {"http": {"timeout": 5}, "a-b": {}}

    def test_looks_in_the_folders_above(self, site, monkeypatch):
        (site / "pyproject.toml").write_text(TABLES)
        (site / "deep" / "deeper").mkdir(parents=True)
        (site / "deep" / "pyproject.toml").write_text("[project]\nname = 'no tables of ours'\n")
        monkeypatch.chdir(site / "deep" / "deeper")

        assert set(configured(True)) == {"http", "a-b"}

    def test_the_nearest_that_has_any_is_the_one(self, site, monkeypatch):
        (site / "pyproject.toml").write_text(TABLES)
        (site / "deep").mkdir()
        (site / "deep" / "pyproject.toml").write_text("[tool.toolcase.plugins.other]\n")
        monkeypatch.chdir(site / "deep")

        assert set(configured(True)) == {"other"}

    def test_is_empty_where_there_is_none(self, site):
        assert configured(True) == {}

    def test_false_reads_nothing(self, site):
        (site / "pyproject.toml").write_text("this is no TOML")

        assert configured(False) == {}

    @pytest.mark.parametrize("kind", [str, lambda path: path])
    def test_reads_the_file_that_is_named(self, site, kind):
        (site / "other.toml").write_text(TABLES)

        assert set(configured(kind(site / "other.toml"))) == {"http", "a-b"}

    @pytest.mark.parametrize("text", [b"this is no TOML", b"x = '\xff'"])
    def test_refuses_what_cannot_be_read(self, site, text):
        (site / "pyproject.toml").write_bytes(text)

        with pytest.raises(
            ValueError, match=r"^cannot read the settings of plugins from .*pyproject\.toml: "
        ):
            configured(True)

    def test_refuses_a_file_that_is_not_there(self, site):
        with pytest.raises(ValueError, match="^cannot read the settings of plugins from .*gone.toml: "):
            configured(site / "gone.toml")

    @pytest.mark.parametrize("text", ["tool = 5", "[tool]\ntoolcase = 5"])
    def test_passes_over_a_file_where_others_stand_in_its_place(self, site, text):
        (site / "pyproject.toml").write_text(text)

        assert configured(True) == {}

    @pytest.mark.parametrize(
        "text",
        ["[tool.toolcase]\nplugins = ['hunter2']", "[tool.toolcase.plugins]\napi_key = 'hunter2'"],
    )
    def test_refuses_what_is_no_table_for_each_plugin_and_does_not_show_it(self, site, text):
        (site / "pyproject.toml").write_text(text)

        with pytest.raises(ValueError, match=r"pyproject\.toml holds a table for each plugin$"):
            configured(True)
