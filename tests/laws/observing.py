"""What the laws share: one call, observed, and a middleware that notes."""

from toolcase import Registry
from toolcase.testing import Script, current_clock


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


def end_of(result):
    """How it ended, without what differs from run to run."""
    return ("value", result.value) if result.ok else (result.error.code.value, result.error.type)


async def outcome(script, *used, timeout=100.0):
    """What can be observed of one call: how it ended, how often and when the tool was started."""
    tool, clock = Script(*script), current_clock()
    registry, began = Registry(clock=clock), clock.now
    registry.use(*used)
    registry.add(tool.tool("t"))
    result = await registry.execute("t", timeout=timeout)
    assert tool.running == 0
    return end_of(result), len(tool.starts), round(clock.now - began, 6)
