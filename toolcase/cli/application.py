"""From `module:registry`, as an option or in pyproject.toml, to the registry itself; else that of plugins."""

from __future__ import annotations

import importlib
import inspect
import sys
import tomllib
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import click

from toolcase.cli.installed import installed, present
from toolcase.cli.settings import Settings
from toolcase.registry import Registry
from toolcase.schema import nearest

NO_APP = """no app is named, so there are no tools; name one in either way:
  toolcase --app module:registry ...
  or in pyproject.toml:
    [tool.toolcase]
    app = "module:registry\""""


def load(settings: Settings) -> Registry:
    """The registry that `--app` names, or pyproject.toml; else one with the tools of the installed plugins.

    A usage error if it is not there, or if there is no app and no such tool. Enter the registry before you
    call a tool, because plugins start with it.
    """
    app, folder = named(settings)
    if app is None:
        return _of_plugins()
    _import_from(Path.cwd())
    _import_from(folder)
    module_name, _, name = app.partition(":")
    if not module_name or not name:
        raise click.UsageError(f"an app is named module:registry, got {app!r}")
    return _registry(_attribute(_module(module_name), name), app)


def named(settings: Settings) -> tuple[str | None, Path]:
    """What `--app` says, else the nearest pyproject.toml that names an app, and the folder that says so."""
    folder = Path.cwd()
    if settings.app is not None:
        return settings.app, folder
    for parent in (folder, *folder.parents):
        file = parent / "pyproject.toml"
        if file.is_file() and (app := _named_in(file)) is not None:
            return app, parent
    return None, folder


def _of_plugins() -> Registry:
    registry = Registry()
    if present():
        installed().install(registry)
    if not registry.names():
        raise click.UsageError(NO_APP)
    return registry


def _import_from(folder: Path) -> None:
    """As `python -m` does: the current folder first."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _named_in(file: Path) -> str | None:
    try:
        settings: Any = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {file}: {error}") from error
    for key in ("tool", "toolcase", "app"):
        settings = settings.get(key) if isinstance(settings, dict) else None
    if settings is not None and not isinstance(settings, str):
        raise click.UsageError(f'[tool.toolcase] app in {file} is "module:registry", got {settings!r}')
    return settings


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only if it is this module that is missing, or a package around it, and not one that it imports.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            hint = f"; leave out the .py: {name[:-3]}:..." if name.endswith(".py") else ""
            where = f"in {Path.cwd()} or installed"
            raise click.UsageError(f"no module named {error.name!r} {where}{hint}") from None
        error.add_note(f"while importing {name!r}")
        raise
    except Exception as error:
        error.add_note(f"while importing {name!r}")
        raise


def _attribute(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        hint = nearest(name, vars(module)) or "name a Registry, or a function that returns one"
        raise click.UsageError(f"module {module.__name__!r} has no {name!r}; {hint}") from None


def _registry(found: Any, app: str) -> Registry:
    if _makes_one(found):
        found = found()
    if not isinstance(found, Registry):
        raise click.UsageError(
            f"{app!r} is no Registry and no function without parameters that returns one, "
            f"but of type {type(found).__name__}"
        )
    return found


def _makes_one(found: Any) -> bool:
    """Whether it may be called to make a registry. A tool may not: that would run it."""
    plain = type(found) is FunctionType and not inspect.iscoroutinefunction(found)
    return plain and not inspect.signature(found).parameters
