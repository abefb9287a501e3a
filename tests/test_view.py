"""Fewer tools, a fixed context and limit."""

import pytest

from toolcase import ExecutionContext, Registry, ToolTimeout, UnknownTool
from toolcase.testing import Give, Hang, Script, current_clock


@pytest.fixture
def registry():
    registry = Registry()
    registry.add(
        Script(Give("r")).tool("db_read", tags=["read"]),
        Script(Give("w")).tool("db_write", tags=["write"]),
        Script(Hang()).tool("web_read", tags=["read", "slow"]),
    )
    return registry


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({}, ["db_read", "db_write", "web_read"]),
        ({"only": "db_*"}, ["db_read", "db_write"]),
        ({"only": ["db_read", "web_*"]}, ["db_read", "web_read"]),
        ({"tags": ["read"]}, ["db_read", "web_read"]),
        ({"tags": "read"}, ["db_read", "web_read"]),
        ({"tags": ["read", "slow"]}, ["web_read"]),
        ({"only": "db_*", "tags": ["read"]}, ["db_read"]),
    ],
)
async def test_only_and_tags_limit_what_is_there(registry, limits, names):
    assert registry.view(**limits).names() == names


async def test_what_it_does_not_show_is_unknown_and_not_hinted_at(registry):
    view = registry.view(only="db_read")

    with pytest.raises(UnknownTool, match="there is none like it"):
        await view.call("db_writ")
    with pytest.raises(UnknownTool):
        await view.call("db_write")
    with pytest.raises(UnknownTool):
        view.get("db_write")
    assert (await view.execute("db_write")).error.code == "UNKNOWN_TOOL"


async def test_what_it_shows_can_be_called(registry):
    view = registry.view(only="db_*")

    assert await view.call("db_read") == "r"
    assert (await view.execute("db_write")).value == "w"
    assert view.get("db_read") is registry.get("db_read")


async def test_its_context_is_that_of_the_calls(registry):
    @registry.tool
    async def scope(context: ExecutionContext) -> str | None:
        return context.scope_id

    view = registry.view(context=ExecutionContext(scope_id="tenant"))

    assert await view.call("scope") == "tenant"
    assert (await view.execute("scope")).value == "tenant"


@pytest.mark.parametrize(("own", "given", "limit"), [(3, None, 3), (3, 9, 3), (9, 3, 3), (None, 3, 3)])
async def test_the_smaller_limit_holds(registry, own, given, limit):
    result = await registry.view(timeout=own).execute("web_read", timeout=given)

    assert result.error.code == "TIMEOUT"
    assert current_clock().now == pytest.approx(limit)


async def test_its_limit_holds_for_call_too(registry):
    with pytest.raises(ToolTimeout):
        await registry.view(timeout=3).call("web_read")


async def test_a_key_reaches_the_tool(registry):
    @registry.tool
    async def key(context: ExecutionContext) -> str | None:
        return context.idempotency_key

    assert (await registry.view().execute("key", idempotency_key="k")).value == "k"


def test_a_limit_that_is_none_is_refused(registry):
    with pytest.raises(ValueError, match="timeout must be above 0 seconds, got 0"):
        registry.view(timeout=0)


async def test_is_no_policy_for_what_a_tool_calls_itself(registry):
    @registry.tool
    async def parent() -> str:
        return await registry.call("db_read")

    assert await registry.view(only="parent").call("parent") == "r"


def test_what_it_does_not_show_is_not_hinted_at_by_get_either(registry):
    with pytest.raises(UnknownTool, match="there is none like it"):
        registry.view(only="web_*").get("db_writ")


async def test_a_tool_that_is_switched_off_is_not_listed_and_its_reason_is_told(registry):
    view = registry.view(only="db_*")
    registry.disable("db_read", "moving house")

    assert view.names() == ["db_write"]
    assert "moving house" in (await view.execute("db_read")).for_model()


def test_lists_by_tag_and_name(registry):
    view = registry.view(only="db_*")

    assert view.names(tag="read") == ["db_read"]
    assert view.names(matching="*_write") == ["db_write"]
    assert view.tools(matching="web_*") == []


def test_follows_what_is_added_and_removed(registry):
    view = registry.view(only="db_*")

    registry.add(Script(Give()).tool("db_new"))
    registry.remove("db_read")

    assert view.names() == ["db_write", "db_new"]


class TestOfAView:
    """A view of a view."""

    def test_sees_what_both_see(self, registry):
        assert registry.view(only="*_read").view(only="db_*").names() == ["db_read"]
        assert registry.view(tags="read").view(tags="slow").names() == ["web_read"]

    @pytest.mark.parametrize(("outer", "inner"), [(3, None), (None, 3), (3, 9), (9, 3)])
    async def test_has_the_smaller_limit(self, registry, outer, inner):
        result = await registry.view(timeout=outer).view(timeout=inner).execute("web_read")

        assert result.error.code == "TIMEOUT"
        assert current_clock().now == pytest.approx(3)

    @pytest.mark.parametrize(("own", "scope"), [(None, "outer"), (ExecutionContext(scope_id="own"), "own")])
    async def test_has_the_outer_context_unless_it_has_one(self, registry, own, scope):
        @registry.tool
        async def asks(context: ExecutionContext) -> str | None:
            return context.scope_id

        view = registry.view(context=ExecutionContext(scope_id="outer")).view(context=own)

        assert await view.call("asks") == scope
