"""The test kit: virtual time, scripted tools, a recorder; for our tests and for yours."""

from toolcase.testing.cancellation import CancellationFault as CancellationFault
from toolcase.testing.cancellation import Report as Report
from toolcase.testing.cancellation import Way as Way
from toolcase.testing.cancellation import cancel_at_every_await as cancel_at_every_await
from toolcase.testing.circuits import MemoryCircuits as MemoryCircuits
from toolcase.testing.circuits import check_circuit_store as check_circuit_store
from toolcase.testing.faults import At as At
from toolcase.testing.faults import Delay as Delay
from toolcase.testing.faults import Fault as Fault
from toolcase.testing.faults import FaultPlan as FaultPlan
from toolcase.testing.faults import Faults as Faults
from toolcase.testing.faults import Injected as Injected
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
