"""The one error that is ours: nothing has left for the server."""

from __future__ import annotations

from toolcase import Unavailable


class NotSent(Unavailable, ConnectionRefusedError):
    """The server could not be reached, and nothing was sent: no address, no connection, no TLS.

    It is a `ConnectionRefusedError` too, which a `RetryPolicy` knows by default as one after which even a
    tool that is not idempotent may be started again.
    """
