"""What a host can say in `[tool.toolcase.plugins.fortune]` of its pyproject.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class FortuneSettings(BaseModel, frozen=True):
    """The settings of this plugin; toolcase checks them when it loads the plugin."""

    jar: Annotated[str, Field(pattern="^fortune:")] = "fortune:"
    """From which jar the tool draws, as `open_jar` takes it."""
