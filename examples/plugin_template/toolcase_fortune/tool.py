"""The tool that a program calls."""

from __future__ import annotations

from typing import Any

from toolcase import Tool, tool

from toolcase_fortune.jar import Jar


def drawing_from(jar: Jar) -> Tool[..., Any]:
    """Make the tool that draws from this jar."""

    @tool(name="fortune", read_only=True)
    async def draw(about: str = "") -> str:
        """Draw a saying from the jar.

        Args:
            about: Words that must be in it; leave them out to draw any.
        """
        return jar.draw(about)

    return draw
