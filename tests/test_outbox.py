"""What observers hand to a slow consumer: bounded in room and in time, and never in their way."""

import anyio
import pytest

from toolcase import Registry
from toolcase.events import OutboxDisabled
from toolcase.testing import current_clock


class Consumer:
    """Takes items in, `seconds` for each; fails where told to."""

    def __init__(self, seconds=0.0, fails=()):
        self.items, self.seconds, self.fails = [], seconds, fails

    async def __call__(self, item):
        await anyio.sleep(self.seconds)
        if item in self.fails:
            raise OSError(item)
        self.items.append(item)


@pytest.fixture
def registry():
    return Registry()


async def settled():
    await anyio.wait_all_tasks_blocked()


async def test_hands_items_on_in_their_order(registry):
    consumer = Consumer()
    outbox = registry.outbox(consumer)

    async with registry:
        assert all(outbox.put(n) for n in range(5))
        await settled()

        assert consumer.items == [0, 1, 2, 3, 4]
    assert outbox.dropped == 0


async def test_made_while_the_registry_is_entered_it_runs_at_once(registry):
    consumer = Consumer()

    async with registry:
        registry.outbox(consumer).put("x")
        await settled()

        assert consumer.items == ["x"]


async def test_what_is_put_before_the_registry_is_entered_waits(registry):
    consumer = Consumer()
    outbox = registry.outbox(consumer)

    outbox.put("early")
    assert len(outbox) == 1
    async with registry:
        await settled()

    assert consumer.items == ["early"]


async def test_an_observer_does_not_wait_for_the_consumer(registry):
    outbox = registry.outbox(Consumer(seconds=0.5))

    async with registry:
        for n in range(100):
            outbox.put(n)

        assert current_clock().now == 0


async def test_what_comes_when_it_is_full_is_dropped_and_counted(registry):
    outbox = registry.outbox(Consumer(), size=2)

    assert [outbox.put(n) for n in range(4)] == [True, True, False, False]
    assert (len(outbox), outbox.dropped) == (2, 2)


async def test_leaving_hands_on_the_rest_for_a_second_and_drops_what_is_left(registry):
    consumer = Consumer(seconds=0.3)
    outbox = registry.outbox(consumer)

    async with registry:
        for n in range(10):
            outbox.put(n)

    assert consumer.items == [0, 1, 2]
    assert outbox.dropped == 7
    assert current_clock().now == pytest.approx(1.0)


async def test_entered_again_it_runs_again(registry):
    consumer = Consumer()
    outbox = registry.outbox(consumer)

    for n in range(2):
        async with registry:
            outbox.put(n)

    assert consumer.items == [0, 1]


async def test_an_item_that_fails_is_dropped_and_the_next_ones_go_on(registry):
    consumer = Consumer(fails=[1])
    outbox = registry.outbox(consumer)

    async with registry:
        for n in range(3):
            outbox.put(n)

    assert consumer.items == [0, 2]
    assert (outbox.dropped, outbox.disabled) == (1, False)


async def test_an_item_has_a_second(registry):
    consumer = Consumer(seconds=1.5)
    outbox = registry.outbox(consumer)

    async with registry:
        outbox.put("slow")
        await anyio.sleep(3)

        assert (consumer.items, outbox.dropped) == ([], 1)


async def test_one_that_keeps_failing_is_disabled_and_reported_once(registry):
    consumer, heard = Consumer(fails=range(10)), []
    registry.on_event(heard.append)
    outbox = registry.outbox(consumer)

    async with registry:
        for n in range(10):
            outbox.put(n)
        await settled()

        assert outbox.put("late") is False
    assert outbox.disabled
    assert outbox.dropped == 11
    (event,) = heard
    assert isinstance(event, OutboxDisabled)
    assert (event.consumer, str(event.error)) == (consumer, "4")


async def test_a_disabled_one_has_another_chance_when_the_registry_is_entered_again(registry):
    consumer = Consumer(fails=range(5))
    outbox = registry.outbox(consumer)
    async with registry:
        for n in range(5):
            outbox.put(n)

    async with registry:
        assert outbox.put("new")

    assert consumer.items == ["new"]


async def test_all_are_closed_though_their_host_is_cancelled(registry):
    outboxes = [registry.outbox(Consumer(seconds=0.9)) for _ in range(3)]

    with anyio.move_on_after(0.2):
        async with registry:
            for outbox in outboxes:
                outbox.put(1)

    assert [outbox._task for outbox in outboxes] == [None] * 3
    assert [outbox.dropped for outbox in outboxes] == [1] * 3


async def test_a_success_forgives_the_failures_before(registry):
    outbox = registry.outbox(Consumer(fails=[0, 1, 2, 3, 5, 6, 7, 8]))

    async with registry:
        for n in range(9):
            outbox.put(n)

    assert not outbox.disabled


async def test_a_host_that_is_cancelled_while_leaving_is_not_kept(registry):
    outbox = registry.outbox(Consumer(seconds=0.9))

    with anyio.move_on_after(0.2) as scope:
        async with registry:
            for n in range(5):
                outbox.put(n)

    assert scope.cancelled_caught
    assert current_clock().now < 0.5
    assert outbox.dropped == 5


def test_a_size_that_is_none_is_refused(registry):
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        registry.outbox(Consumer(), size=0)
