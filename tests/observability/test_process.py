"""What holds for a whole process: one global provider, noticed late, and nothing loaded that is not used."""

import subprocess
import sys
import textwrap


def run(program):
    """What a program prints, in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_global_provider_that_is_set_after_the_first_call_is_noticed():
    printed = run("""
        import asyncio

        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from toolcase import Registry
        from toolcase.runtime import MetricsMiddleware, TracingMiddleware, configure_tracing

        registry, reader = Registry(), InMemoryMetricReader()
        registry.use(TracingMiddleware(), MetricsMiddleware())
        registry.tool(asyncio.sleep, name="nap")

        async def main():
            await registry.call("nap", delay=0)
            tracing = configure_tracing("memory")
            metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
            await asyncio.sleep(0.11)
            await registry.call("nap", delay=0)
            print(len(tracing.spans), "execute_tool.duration" in str(reader.get_metrics_data()))

        asyncio.run(main())
    """)

    assert printed == ["1", "True"]


def test_a_second_global_one_is_refused():
    printed = run("""
        from toolcase.runtime import configure_tracing

        configure_tracing("memory")
        try:
            configure_tracing("memory")
        except RuntimeError:
            print("refused")
        print(len(configure_tracing("memory", set_global=False).spans))
    """)

    assert printed == ["refused", "0"]


def test_the_sdk_is_loaded_by_configure_tracing_alone():
    printed = run("""
        import asyncio, sys

        from toolcase import Registry
        from toolcase.observability import Tracer
        from toolcase.runtime import MetricsMiddleware, TracingMiddleware, configure_logging

        registry = Registry()
        registry.use(TracingMiddleware(), MetricsMiddleware())
        registry.tool(asyncio.sleep, name="nap")
        asyncio.run(registry.call("nap", delay=0))
        with Tracer().span("work"):
            pass
        print(any(name.startswith("opentelemetry.sdk") for name in sys.modules))
    """)

    assert printed == ["False"]
