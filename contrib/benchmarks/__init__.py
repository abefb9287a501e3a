"""Benchmarks: what toolcase costs, each time as a ratio to the same work written by hand."""
