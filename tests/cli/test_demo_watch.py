"""The demo's observer, where the story does not lead it."""

from toolcase.cli.demo_watch import Watcher
from toolcase.events import Event


def test_an_event_that_it_does_not_know_is_passed_over():
    said: list[str] = []

    Watcher(said.append).on_host_event(Event(tool="any"), 0.0)

    assert said == []
