"""Plugins that note when they start and stop, and do there what they are told to."""

from contextlib import asynccontextmanager

import anyio

from toolcase import Plugin, PluginManifest, PluginRegistry, hookimpl


class Worker(Plugin):
    """Notes when it starts and stops, and does there what it is told to."""

    def __init__(self, name, log, *, needs=(), start=None, stop=None, tools=()):
        self._manifest = PluginManifest(name=name, dependencies=needs)
        self._log, self._start, self._stop, self._tools = log, start, stop, tools

    @property
    def manifest(self):
        return self._manifest

    async def initialize(self, context):
        await done(self._start)
        self._log.append(f"+{self.manifest.name}")

    async def shutdown(self):
        self._log.append(f"-{self.manifest.name}")
        await done(self._stop)

    def get_tools(self):
        return self._tools


async def done(step):
    if isinstance(step, BaseException):
        raise step
    if step is not None:
        await anyio.sleep(step)


class Started:
    """A registry of plugins, and what they did."""

    def __init__(self, required=False):
        self.log, self.required = [], required
        self.plugins = PluginRegistry()

    def add(self, name, **does):
        self.plugins.register(Worker(name, self.log, **does), required=self.required)

    def faults(self):
        return [(fault.plugin, fault.during, fault.said) for fault in self.plugins.faults]


def tool_named(name):
    async def function():
        await anyio.sleep(1)

    function.__name__ = name
    return function


def crashes_after(seconds):
    class Crashes:
        @hookimpl
        def toolcase_plugin(self):
            return PluginManifest(name="crashes")

        @hookimpl
        def toolcase_tools(self):
            return [tool_named("x")]

        @hookimpl
        @asynccontextmanager
        async def toolcase_lifespan(self):
            async def fails():
                await anyio.sleep(seconds)
                raise ConnectionError("lost")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fails)
                yield
                tasks.cancel_scope.cancel()

    return Crashes()
