"""Which tools there are: listed, removed, switched off, and who is told."""

import logging

import pytest

from toolcase import Registry, ToolDisabled, UnknownTool
from toolcase.events import ToolsChanged
from toolcase.testing import Give, Hang, Recorder, Script


@pytest.fixture
def registry():
    registry = Registry()
    registry.add(
        Script(Give("r")).tool("db_read", tags=["read"]),
        Script(Give("w")).tool("db_write"),
        Script(Give("f")).tool("web_read", tags=["read"]),
    )
    return registry


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["db_read", "db_write", "web_read"]),
        ({"tag": "read"}, ["db_read", "web_read"]),
        ({"matching": "db_*"}, ["db_read", "db_write"]),
        ({"tag": "read", "matching": "db_*"}, ["db_read"]),
        ({"matching": "DB_*"}, []),
    ],
)
def test_lists_by_tag_and_name(registry, asked, names):
    assert registry.names(**asked) == names
    assert [tool.name for tool in registry.tools(**asked)] == names


@pytest.mark.parametrize("name", [None, 5, ["db_read"], {"a": 1}, b"db_read"])
async def test_a_name_that_is_no_text_is_unknown(registry, name):
    result = await registry.execute(name)

    assert result.error.code == "UNKNOWN_TOOL"
    assert result.error.message.startswith("no tool named ")


async def test_a_name_without_end_is_cut_where_it_is_told(registry):
    result = await registry.execute("x" * 1_000_000)

    assert result.error.code == "UNKNOWN_TOOL"
    assert len(result.error.message) < 200


class TestRemoving:
    """Letting go of tools."""

    async def test_a_removed_tool_is_unknown(self, registry):
        await registry.call("db_read")

        registry.remove("db_read", "db_write")

        assert registry.names() == ["web_read"]
        assert (await registry.execute("db_read")).error.code == "UNKNOWN_TOOL"

    def test_one_that_is_not_there_is_told_and_none_is_removed(self, registry):
        with pytest.raises(UnknownTool, match="did you mean 'db_write'"):
            registry.remove("db_read", "db_writ")

        assert registry.names() == ["db_read", "db_write", "web_read"]

    async def test_another_of_that_name_can_be_added(self, registry):
        await registry.call("db_read")
        registry.remove("db_read")

        registry.add(Script(Give("new")).tool("db_read"))

        assert await registry.call("db_read") == "new"

    def test_a_tool_that_was_switched_off_and_removed_comes_back_switched_on(self, registry):
        tool = registry.get("db_read")
        registry.disable("db_read")

        registry.remove("db_read")
        registry.add(tool)

        assert "db_read" in registry.names()

    async def test_the_same_name_twice_in_one_go_is_no_fault(self, registry):
        registry.remove("db_read", "db_read")

        assert registry.names() == ["db_write", "web_read"]


class TestSwitchingOff:
    """Disable and enable."""

    async def test_a_call_ends_with_the_reason(self, registry):
        await registry.call("db_read")  # compiled before

        registry.disable("db_read", "the database is moving")

        with pytest.raises(ToolDisabled, match="^tool 'db_read' is switched off: the database is moving$"):
            await registry.call("db_read")
        assert (await registry.execute("db_read")).error.code == "DISABLED"

    async def test_without_a_reason_it_says_so_alone(self, registry):
        registry.disable("db_read")

        with pytest.raises(ToolDisabled, match="^tool 'db_read' is switched off$"):
            await registry.call("db_read")

    def test_it_is_not_listed_and_still_found(self, registry):
        tool = registry.get("db_read")

        registry.disable("db_read", "why")

        assert registry.names() == ["db_write", "web_read"]
        assert registry.get("db_read") is tool
        assert registry.disabled == {"db_read": "why"}

    async def test_switched_on_it_can_be_called(self, registry):
        registry.disable("db_read")

        registry.enable("db_read")

        assert await registry.call("db_read") == "r"
        assert registry.disabled == {}

    async def test_the_last_reason_counts(self, registry):
        registry.disable("db_read", "first")
        registry.disable("db_read", "second")

        assert registry.disabled == {"db_read": "second"}
        assert "second" in (await registry.execute("db_read")).error.message

    @pytest.mark.parametrize("verb", ["disable", "enable"])
    def test_an_unknown_name_is_told(self, registry, verb):
        with pytest.raises(UnknownTool, match="did you mean 'db_read'"):
            getattr(registry, verb)("db_rea")

    async def test_observers_see_the_call_without_a_tool(self, registry):
        recorder = Recorder()
        registry.use(recorder)
        registry.disable("db_read")

        await registry.execute("db_read")

        (record,) = recorder.records
        assert record.call.tool is None
        assert isinstance(record.error, ToolDisabled)

    async def test_a_call_that_runs_goes_on(self):
        registry = Registry()

        @registry.tool
        async def itself() -> str:
            registry.disable("itself")
            registry.remove("itself")
            return "done"

        assert await registry.call("itself") == "done"

    def test_the_reasons_cannot_be_assigned_to(self, registry):
        with pytest.raises(TypeError):
            registry.disabled["db_read"] = "x"


class TestChanges:
    """Who is told that the list has changed."""

    @pytest.fixture
    def heard(self, registry):
        heard = []
        registry.on_change(heard.append)
        return heard

    def test_of_adding_and_removing(self, registry, heard):
        registry.add(Script(Give()).tool("a"), Script(Give()).tool("b"))
        registry.remove("a", "b")

        assert heard == [ToolsChanged(added=("a", "b")), ToolsChanged(removed=("a", "b"))]

    def test_of_switching_off_and_on_once(self, registry, heard):
        registry.disable("db_read", "why")
        registry.disable("db_read", "why again")
        registry.enable("db_read")
        registry.enable("db_read")

        assert heard == [ToolsChanged(removed=("db_read",)), ToolsChanged(added=("db_read",))]

    def test_not_of_adding_nothing_or_what_is_refused(self, registry, heard):
        registry.add()
        with pytest.raises(ValueError, match="already"):
            registry.add(Script(Give()).tool("db_read"))

        assert heard == []

    def test_after_the_change(self, registry):
        names = []
        registry.on_change(lambda change: names.append(registry.names()))

        registry.remove("db_read")

        assert names == [["db_write", "web_read"]]

    def test_taken_off_a_listener_hears_no_more(self, registry, heard):
        other = []
        remove = registry.on_change(other.append)

        remove()
        registry.remove("db_read")

        assert (len(heard), other) == (1, [])

    def test_one_that_raises_is_logged_and_the_others_hear(self, registry, caplog):
        def deaf(change):
            raise RuntimeError("deaf")

        heard = []
        registry.on_change(deaf)
        registry.on_change(heard.append)

        registry.remove("db_read")

        assert len(heard) == 1
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_secrets_stay_out_of_the_log_of_a_listener_that_fails(registry, caplog):
    def deaf(change):
        raise RuntimeError("the key is hunter2hunter2")

    registry.secrets.add("hunter2hunter2")
    registry.on_change(deaf)

    registry.remove("db_read")

    assert "the key is [redacted]" in caplog.text
    assert "hunter2" not in caplog.text


async def test_tools_are_added_while_calls_run():
    registry = Registry()
    registry.add(Script(Hang()).tool("slow"))

    @registry.tool
    async def adds() -> list[str]:
        registry.add(Script(Give("made")).tool("made"))
        return [await registry.call("made"), *registry.names()]

    assert await registry.call("adds") == ["made", "slow", "adds", "made"]
