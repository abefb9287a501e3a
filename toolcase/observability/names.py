"""The names under which calls are traced and measured, and the convention from which they come.

`gen_ai.*` and `error.type` follow OpenTelemetry's semantic conventions for generative AI (status:
Development) as of 2026: github.com/open-telemetry/semantic-conventions-genai, commit 004902b8 for the metric
and its buckets, and cb10b70c for the span; both stand on the general conventions, version 1.42. What has no
name there is ours, and begins with `toolcase.`.
"""

from __future__ import annotations

from toolcase.errors import ToolError, lone

SCOPE = "toolcase"
"""The instrumentation scope of all that we trace and measure."""

# The convention: spans

OPERATION = "gen_ai.operation.name"
EXECUTE_TOOL = "execute_tool"
"""The value of `OPERATION`, and the beginning of the span's name."""
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
FUNCTION = "function"
"""The value of `TOOL_TYPE` for what runs in this process."""
TOOL_DESCRIPTION = "gen_ai.tool.description"
TOOL_CALL_ID = "gen_ai.tool.call.id"
CONVERSATION_ID = "gen_ai.conversation.id"
ARGUMENTS = "gen_ai.tool.call.arguments"
RESULT = "gen_ai.tool.call.result"
ERROR_TYPE = "error.type"

EXCEPTION = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"

# The convention: the metric

DURATION = "gen_ai.execute_tool.duration"
DURATION_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The bounds of the buckets that the convention advises."""

OTHER = "_OTHER"
"""The convention's word for what has no name of its own: a tool that nobody registered."""

# Ours: spans

ATTEMPTS = "toolcase.attempts"
OUTCOME_UNKNOWN = "toolcase.outcome_unknown"
CANCELLED = "toolcase.cancelled"
CORRELATION_ID = "toolcase.correlation_id"

ATTEMPT_STARTED = "toolcase.attempt.started"
RETRY_SCHEDULED = "toolcase.retry.scheduled"
RETRIES_EXHAUSTED = "toolcase.retries.exhausted"
CALL_WAITING = "toolcase.call.waiting"
CALL_ADMITTED = "toolcase.call.admitted"
CALL_REJECTED = "toolcase.call.rejected"
CIRCUIT_CHANGED = "toolcase.circuit.changed"
USAGE_REPORTED = "toolcase.usage.reported"

ATTEMPT = "toolcase.attempt"
"""The number of an attempt, from 1."""
WAIT = "toolcase.wait"
"""Seconds until the next attempt, or in a queue."""
REASON = "toolcase.reason"
MIDDLEWARE = "toolcase.middleware"
CIRCUIT_BEFORE = "toolcase.circuit.before"
CIRCUIT_STATE = "toolcase.circuit.state"
USED_TOKENS = "toolcase.usage.tokens"
USED_TURNS = "toolcase.usage.turns"
USED_COST = "toolcase.usage.cost"
USED_MODEL = "toolcase.usage.model"

# Ours: metrics

ATTEMPTS_STARTED = "toolcase.attempts"
CALLS_CANCELLED = "toolcase.cancellations"
REJECTIONS = "toolcase.rejections"
QUEUE_DURATION = "toolcase.queue.duration"
CIRCUIT_CHANGES = "toolcase.circuit.changes"
CIRCUITS = "toolcase.circuits"
TOKENS = "toolcase.tokens"

# The reference's: metrics of streams, and the first and the third on spans too

STREAM_CHUNKS = "tool.stream.chunks"
STREAM_BYTES = "tool.stream.bytes"
STREAM_FIRST_CHUNK = "tool.stream.time_to_first_chunk"
STREAM_GAP = "tool.stream.gap"
STREAM_DURATION = "tool.stream.duration"
STREAM_CANCELLED = "tool.stream.cancelled"


def error_type(error: BaseException) -> str:
    """What `error.type` says: the code of an error of ours, the class of any other; never its message."""
    error = lone(error)
    if isinstance(error, ToolError):
        return error.code.value
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
