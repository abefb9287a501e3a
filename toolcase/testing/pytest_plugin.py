"""Runs `async def` tests on both back ends, in virtual time.

Switch it on with `pytest_plugins = ["toolcase.testing.pytest_plugin"]` in the top conftest.py. Every async
test function then runs once on asyncio and once on trio (if that is installed); the argument `backend` says
on which. `@pytest.mark.real_time` leaves the clock alone, `@pytest.mark.backends("asyncio")` names fewer.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from typing import Any

import pytest

from toolcase.testing.runner import BACKENDS, run

INSTALLED = tuple(name for name in BACKENDS if importlib.util.find_spec(name))


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "real_time: this async test does not run in virtual time")
    config.addinivalue_line("markers", "backends(*names): this async test runs on these back ends only")


@pytest.fixture(params=INSTALLED)
def backend(request: pytest.FixtureRequest) -> str:
    """The back end on which this test runs."""
    name: str = request.param
    return name


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    """Ask for the fixture in the name of every async test."""
    if collector.istestfunction(obj, name) and inspect.iscoroutinefunction(_innermost(obj)):
        pytest.mark.usefixtures("backend")(obj)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the back ends that a test does not name."""
    for item in list(items):
        mark = item.get_closest_marker("backends")
        chosen = getattr(item, "callspec", None)
        if mark is not None and chosen is not None and chosen.params.get("backend") not in mark.args:
            items.remove(item)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test on its back end."""
    test = pyfuncitem.obj
    inner = _innermost(test)
    if not inspect.iscoroutinefunction(inner):
        return None
    backend: Any = pyfuncitem.funcargs["backend"]
    virtual = pyfuncitem.get_closest_marker("real_time") is None

    @functools.wraps(inner)
    def in_loop(*args: Any, **kwargs: Any) -> None:
        run(functools.partial(inner, *args, **kwargs), backend=backend, virtual=virtual)

    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001  pytest itself has no public way
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    if inner is test:
        in_loop(**arguments)
        return True
    test.hypothesis.inner_test = in_loop  # called once for each example
    try:
        test(**arguments)
    finally:
        test.hypothesis.inner_test = inner  # for the next back end
    return True


def _innermost(test: Any) -> Any:
    return test.hypothesis.inner_test if hasattr(test, "hypothesis") else test
