"""A context manager in a task of its own: entered, left, and what goes wrong with it."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest

from toolcase.plugins.lifespan import Lifespan
from toolcase.testing import cancel_at_every_await, current_clock


class Life:
    """A lifespan that notes what happens to it, and does what it is told to."""

    def __init__(self, *, entering=None, running=None, leaving=None):
        self.log, self.crashes = [], []
        self._entering, self._running, self._leaving = entering, running, leaving
        self.lifespan = Lifespan(self.make, self.crashes.append)

    @asynccontextmanager
    async def make(self):
        try:
            await done(self._entering)
            self.log.append("entered")
            async with anyio.create_task_group() as tasks:
                if self._running is not None:
                    tasks.start_soon(self._running)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await done(self._leaving)
            self.log.append("left")


async def done(step):
    if step is not None:
        await step()


def raising(error):
    async def step():
        raise error

    return step


async def swallows():
    try:
        await anyio.sleep(1_000)
    except anyio.get_cancelled_exc_class():
        pass


async def test_is_entered_and_left():
    life = Life()

    assert await life.lifespan.start(5) is None
    assert life.log == ["entered"]
    assert await life.lifespan.stop(5) is None
    assert life.log == ["entered", "left"]
    assert life.crashes == []


async def test_none_is_one_that_does_nothing():
    lifespan = Lifespan(lambda: None, pytest.fail)

    assert await lifespan.start(5) is None
    assert await lifespan.stop(5) is None


class Odd(BaseException):
    """No Exception."""


ERRORS = pytest.mark.parametrize(
    "error",
    [ValueError("no"), SystemExit(3), Odd(), asyncio.CancelledError(), BaseExceptionGroup("g", [Odd()])],
)


@ERRORS
async def test_what_it_raises_on_entering_is_given(error):
    life = Life(entering=raising(error))

    assert await life.lifespan.start(5) is error
    assert life.crashes == []
    assert current_clock().now == 0


@ERRORS
async def test_what_it_raises_on_leaving_is_given(error):
    life = Life(leaving=raising(error))
    await life.lifespan.start(5)

    assert await life.lifespan.stop(5) is error
    assert life.crashes == []


async def test_what_is_no_context_manager_is_told():
    error = await Lifespan(lambda: 5, pytest.fail).start(5)

    assert isinstance(error, TypeError)


async def test_an_error_that_counts_as_false_is_an_error():
    class Empty(Exception):
        def __len__(self):
            return 0

    life = Life(leaving=raising(Empty()))
    await life.lifespan.start(5)

    assert isinstance(await life.lifespan.stop(5), Empty)


async def test_one_that_does_not_start_in_time_is_cancelled():
    life = Life(entering=anyio.sleep_forever)

    error = await life.lifespan.start(5)

    assert (type(error), str(error)) == (TimeoutError, "it did not start within 5 s")
    assert current_clock().now == pytest.approx(5)
    assert life.log == ["left"]


async def test_one_that_does_not_start_in_time_and_swallows_that_has_not_started():
    life = Life(entering=swallows)

    error = await life.lifespan.start(5)

    assert str(error) == "it did not start within 5 s"
    assert life.log == ["entered", "left"]
    assert life.crashes == []


async def test_what_it_raises_when_it_is_cancelled_is_given():
    async def fails_late():
        try:
            await anyio.sleep_forever()
        finally:
            raise ConnectionError("half open")

    life = Life(entering=fails_late)

    assert isinstance(await life.lifespan.start(5), ConnectionError)


async def test_one_that_does_not_stop_in_time_is_cancelled():
    life = Life(leaving=anyio.sleep_forever)
    await life.lifespan.start(5)

    error = await life.lifespan.stop(7)

    assert (type(error), str(error)) == (TimeoutError, "it did not stop within 7 s")
    assert current_clock().now == pytest.approx(7)


async def test_one_that_does_not_even_end_when_it_is_cancelled_is_let_go():
    released = anyio.Event()

    async def deaf():
        with anyio.CancelScope(shield=True):
            await released.wait()

    life = Life(leaving=deaf)
    await life.lifespan.start(5)

    error = await life.lifespan.stop(7)

    assert str(error) == "it did not stop within 7 s"
    assert current_clock().now == pytest.approx(7 + 5)
    released.set()
    await anyio.sleep(1)
    assert life.log == ["entered", "left"]


async def test_one_that_fails_while_it_runs_is_told_and_leaves_its_host_alone():
    async def fails():
        await anyio.sleep(3)
        raise ConnectionError("lost")

    life = Life(running=fails)
    await life.lifespan.start(5)
    await anyio.sleep(4)

    (crash,) = life.crashes
    assert [str(error) for error in crash.exceptions] == ["lost"]
    assert life.log == ["entered", "left"]


async def test_one_that_ends_by_itself_is_told():
    @asynccontextmanager
    async def ends():
        with anyio.move_on_after(3):
            yield

    crashes = []
    await Lifespan(ends, crashes.append).start(5)
    await anyio.sleep(4)

    assert [str(crash) for crash in crashes] == ["it ended by itself"]


@pytest.mark.backends("asyncio")
async def test_one_that_awaits_what_was_cancelled_is_told():
    @asynccontextmanager
    async def waits():
        waited = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(3, waited.cancel)
        yield
        await waited

    life = Lifespan(waits, pytest.fail)
    await life.start(5)

    assert isinstance(await life.stop(5), asyncio.CancelledError)


async def test_one_that_yields_twice_is_told():
    @asynccontextmanager
    async def twice():
        yield
        yield

    lifespan = Lifespan(twice, pytest.fail)
    await lifespan.start(5)

    assert "didn't stop" in str(await lifespan.stop(5))


@pytest.mark.backends("asyncio")
def test_an_interrupt_from_the_keyboard_ends_the_program():
    async def main():
        await Life(entering=raising(KeyboardInterrupt())).lifespan.start(5)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


async def test_is_left_although_who_stops_it_is_cancelled():
    life = Life(leaving=lambda: anyio.sleep(3))
    await life.lifespan.start(5)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await life.lifespan.stop(5)

    assert life.log == ["entered", "left"]
    assert current_clock().now == pytest.approx(3)


@pytest.mark.backends("asyncio")
async def test_a_native_cancellation_of_who_stops_it_cuts_it_short_and_leaves_nothing():
    life = Life(leaving=lambda: anyio.sleep(3))
    await life.lifespan.start(5)

    stopping = asyncio.create_task(life.lifespan.stop(5))
    await anyio.sleep(1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert current_clock().now == pytest.approx(1)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    "ends", [{}, {"entering": raising(ValueError())}, {"leaving": raising(ValueError())}]
)
def test_leaves_nothing_wherever_it_is_cancelled(backend, ends):
    async def scenario():
        life = Life(**{"entering": lambda: anyio.sleep(1), "leaving": lambda: anyio.sleep(1), **ends})
        try:
            await life.lifespan.start(5)
        finally:
            await life.lifespan.stop(5)

    report = cancel_at_every_await(scenario, backend=backend)

    assert report.suspensions > 0
