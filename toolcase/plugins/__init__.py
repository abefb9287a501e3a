"""The door to the plugins of an application."""

from toolcase.plugins.faults import PluginError as PluginError
from toolcase.plugins.faults import PluginFailed as PluginFailed
from toolcase.plugins.loaded import LoadedPlugin as LoadedPlugin
from toolcase.plugins.registry import PluginRegistry as PluginRegistry
