"""A run that is called off, inside everything that may stand around a tool."""

import anyio
import pytest

from toolcase import CancellationToken, ExecutionContext, Registry, RunCancelled, Stage
from toolcase.runtime import LoggingMiddleware, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Recorder


async def guard(call, inner):
    """Lets through what comes."""
    return await inner(call)


async def catching(call, inner):
    """An observer that takes every error for its own."""
    try:
        return await inner(call)
    except Exception:
        return "went on"


catching.stage = Stage.OBSERVE


def called_off(*used):
    """A registry in which a run is called off while its tool works, and the context of that run."""
    token = CancellationToken()
    registry = Registry()
    registry.use(*used)

    @registry.tool(timeout=60)
    async def work(context: ExecutionContext) -> None:
        while True:
            context.cancellation.raise_if_cancelled()
            await anyio.sleep(1)
            token.cancel("the user left")

    return registry, ExecutionContext(cancellation=token)


@pytest.mark.parametrize(
    "used",
    [
        (),
        (guard,),
        (catching,),
        (RetryMiddleware(RetryPolicy(retry_on=Exception)),),
        (TimeoutMiddleware(30),),
        (LoggingMiddleware(), catching, guard, TimeoutMiddleware(30), RetryMiddleware()),
    ],
)
async def test_reaches_whoever_made_the_call(used):
    registry, context = called_off(*used)

    with pytest.raises(RunCancelled, match="the user left"):
        await registry.execute("work", context=context)


async def test_reaches_whoever_made_the_call_through_a_tool_in_between():
    registry, context = called_off(RetryMiddleware(RetryPolicy(retry_on=Exception)))

    @registry.tool
    async def parent() -> bool:
        return (await registry.execute("work")).ok

    with pytest.raises(RunCancelled):
        await registry.execute("parent", context=context)


async def test_leaves_a_task_group_of_the_tool_as_a_group_and_not_as_a_result():
    registry, context = called_off()

    @registry.tool
    async def parent() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.call, "work")

    with pytest.raises(BaseExceptionGroup) as caught:
        await registry.execute("parent", context=context)

    assert [type(error) for error in caught.value.exceptions] == [RunCancelled]


async def test_is_recorded_as_the_end_of_its_one_attempt():
    recorder = Recorder()
    registry, context = called_off(recorder, RetryMiddleware(RetryPolicy(retry_on=Exception)))

    with pytest.raises(RunCancelled):
        await registry.execute("work", context=context)

    assert [type(record.error) for record in recorder.records] == [RunCancelled]
    assert recorder.records[0].call.info.attempts == 1
