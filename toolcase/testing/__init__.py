"""The test kit: virtual time, scripted tools, a recorder; for our tests and for yours."""

from toolcase.testing.recorder import Record as Record
from toolcase.testing.recorder import Recorder as Recorder
from toolcase.testing.runner import run as run
from toolcase.testing.script import Fail as Fail
from toolcase.testing.script import Give as Give
from toolcase.testing.script import Hang as Hang
from toolcase.testing.script import Script as Script
from toolcase.testing.virtual import Deadlock as Deadlock
from toolcase.testing.virtual import VirtualClock as VirtualClock
from toolcase.testing.virtual import current_clock as current_clock
