"""A page that Prometheus can scrape, for the calls of a registry: a recipe to copy into your host.

`python contrib/prometheus --port 9464 --calls 100` makes calls, and serves it until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from toolcase import Registry
from toolcase.runtime import MetricsMiddleware


def build(provider: MeterProvider) -> Registry:
    """A registry whose calls are measured."""
    registry = Registry()
    registry.use(MetricsMiddleware(provider))

    @registry.tool
    async def divide(a: float, b: float) -> float:
        """Divide a by b."""
        return a / b

    return registry


async def work(registry: Registry, calls: int) -> None:
    """Some calls, of which each fifth fails."""
    for number in range(calls):
        await registry.execute("divide", {"a": number, "b": number % 5})


async def main(words: Sequence[str] | None = None) -> None:
    """Serve the page, make the calls, and wait to be stopped."""
    parser = argparse.ArgumentParser(prog="python contrib/prometheus", description=__doc__)
    parser.add_argument("--port", type=int, default=9464, help="0 is for any that is free")
    parser.add_argument("--calls", type=int, default=100, help="how many calls to make")
    options = parser.parse_args(words)

    # The reader stands in the registry of `prometheus_client`, and is asked whenever the page is.
    provider = MeterProvider(metric_readers=[PrometheusMetricReader()])
    server, thread = start_http_server(options.port, addr="127.0.0.1")
    await work(build(provider), options.calls)
    print(f"http://127.0.0.1:{server.server_port}/metrics", flush=True)
    await asyncio.to_thread(thread.join)


if __name__ == "__main__":
    asyncio.run(main())
