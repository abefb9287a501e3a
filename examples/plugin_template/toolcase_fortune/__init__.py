"""A plugin for toolcase: sayings, drawn from a jar."""
