"""A guard that lets no call pass at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from toolcase import Call, Denied, Inner, Stage


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Refuse calls from the hour `begin` until the hour `end`, in UTC; over midnight too.

    ValueError unless these are two different whole hours from 0 to 23.
    """

    begin: int = 22
    end: int = 6
    stage: ClassVar[Stage] = Stage.GUARD

    def __post_init__(self) -> None:
        if self.begin == self.end or not {self.begin, self.end} <= {*range(24)}:
            raise ValueError(
                f"quiet hours begin and end at two different hours from 0 to 23, "
                f"got {self.begin!r} and {self.end!r}; leave the middleware out for none"
            )

    async def __call__(self, call: Call, inner: Inner) -> Any:
        now = call.host.clock.utcnow()  # the host's clock, so that a test can move it
        if (now.hour - self.begin) % 24 < (self.end - self.begin) % 24:
            raise Denied(f"no calls of {call.name!r} before {self.end:02}:00 UTC; ask again then")
        return await inner(call)
