"""The plugin, seen from outside: a test suite of its own runs under it."""

import pytest

pytest_plugins = ["pytester"]

SUITE = """
    import anyio, pytest
    from hypothesis import given, settings, strategies as st
    from toolcase.testing import current_clock

    pytest_plugins = ["toolcase.testing.pytest_plugin"]
    SEEN = []

    async def test_async(backend):
        SEEN.append(backend)
        await anyio.sleep(1000)
        assert current_clock().now == pytest.approx(1000)

    async def test_arguments_are_fixtures(tmp_path):
        assert tmp_path.exists()

    class TestGrouped:
        async def test_method(self):
            await anyio.sleep(10)

    @given(n=st.integers())
    @settings(max_examples=5, database=None)
    async def test_property(n):
        await anyio.sleep(1)
        assert n + 0 == n

    @pytest.mark.real_time
    async def test_real():
        with pytest.raises(RuntimeError):
            current_clock()

    @pytest.mark.backends("trio")
    async def test_trio_only(backend):
        assert backend == "trio"

    def test_sync():
        assert SEEN == ["asyncio", "trio"]
"""


@pytest.fixture
def suite(pytester):
    def run(source):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-v")

    return run


def test_runs_async_tests_on_both_back_ends_in_virtual_time(suite):
    result = suite(SUITE)

    result.assert_outcomes(passed=5 * 2 + 1 + 1)


def test_a_property_is_tried_on_each_back_end(suite):
    result = suite("""
        from hypothesis import given, settings, strategies as st
        from toolcase.clock import asyncio_task

        pytest_plugins = ["toolcase.testing.pytest_plugin"]
        SEEN = []

        @given(n=st.integers())
        @settings(max_examples=5, database=None)
        async def test_property(n):
            SEEN.append(asyncio_task() is None)

        def test_both():
            assert SEEN[:5] == [False] * 5
            assert SEEN[5:] == [True] * 5
    """)

    result.assert_outcomes(passed=3)


def test_a_failing_async_test_fails(suite):
    result = suite("""
        pytest_plugins = ["toolcase.testing.pytest_plugin"]

        async def test_wrong():
            assert 1 == 2
    """)

    result.assert_outcomes(failed=2)


def test_a_deadlock_fails_and_says_where(suite):
    result = suite("""
        import anyio
        pytest_plugins = ["toolcase.testing.pytest_plugin"]

        async def test_stuck():
            await anyio.Event().wait()
    """)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*Deadlock: every task waits*", "*in test_stuck*"])
