"""What the laws are drawn from: tools that do anything, and stacks of middleware."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from toolcase import Registry, Stage, ToolError
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Fail, Give, Hang, Script, current_clock

# 100 examples on asyncio and as many on trio stay within seconds: virtual time costs nothing.
law = settings(max_examples=100, deadline=None, derandomize=True)

ERRORS = (ConnectionError, OSError, ValueError, ToolError)

moments = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0])
steps = st.one_of(
    st.builds(Give, st.integers(), after=moments),
    st.builds(lambda kind, after: Fail(kind("law"), after), st.sampled_from(ERRORS), moments),
    st.builds(Hang, cleanup=moments),
)
scripts = st.lists(steps, min_size=1, max_size=4).map(tuple)

policies = st.builds(
    lambda n, base: RetryPolicy(max_attempts=n, backoff=ExponentialBackoff(base=base, jitter=False)),
    st.integers(1, 4),
    st.sampled_from([0.1, 1.0]),
)
acting = st.one_of(
    st.builds(RetryMiddleware, policies), st.builds(TimeoutMiddleware, st.sampled_from([0.7, 2.0, 5.0]))
)


def noting(log, name, stage):
    """A middleware that changes nothing and notes that it was entered and left."""

    async def note(call, inner):
        log.append(("enter", name))
        try:
            return await inner(call)
        finally:
            log.append(("exit", name))

    note.stage = stage
    return note


async def identity(call, inner):
    """Adds nothing."""
    return await inner(call)


def identity_of(stage):
    async def nothing(call, inner):
        return await inner(call)

    nothing.stage = stage
    return nothing


async def outcome(script, *used, timeout=100.0):
    """What can be observed of one call: how it ended, how often and when the tool was started."""
    tool, clock = Script(*script), current_clock()
    registry, began = Registry(clock=clock), clock.now
    registry.use(*used)
    registry.add(tool.tool("t"))
    result = await registry.execute("t", timeout=timeout)
    assert tool.running == 0
    end = ("value", result.value) if result.ok else (result.error.code.value, result.error.type)
    return end, len(tool.starts), round(clock.now - began, 6)


stages = st.sampled_from(Stage)
