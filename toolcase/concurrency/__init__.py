"""The door to streams side by side: combinators, and the parts of anyio that one needs next to them."""

from anyio import CancelScope as CancelScope
from anyio import CapacityLimiter as CapacityLimiter
from anyio import Condition as Condition
from anyio import Event as Event
from anyio import Lock as Lock
from anyio import Semaphore as Semaphore
from anyio import create_memory_object_stream as create_memory_object_stream
from anyio import create_task_group as create_task_group
from anyio import fail_after as fail_after
from anyio import move_on_after as move_on_after
from anyio import sleep as sleep
from anyio.abc import TaskGroup as TaskGroup

from toolcase.concurrency.joining import interleave as interleave
from toolcase.concurrency.joining import merge as merge
from toolcase.concurrency.joining import zip_streams as zip_streams
from toolcase.concurrency.mapping import map_concurrent as map_concurrent
from toolcase.concurrency.pacing import batch as batch
from toolcase.concurrency.pacing import buffer as buffer
from toolcase.concurrency.pacing import throttle as throttle
from toolcase.concurrency.pacing import timeout as timeout
from toolcase.concurrency.portions import skip as skip
from toolcase.concurrency.portions import take as take
from toolcase.stream import Stream as Stream
