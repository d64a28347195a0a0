"""Metrics for Prometheus: requests, their durations, and gauges of what waits."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PATHS = ("/produce", "/clip", "/languages")
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """ASGI middleware that counts the requests for /metrics.

    Args:
        app: ASGI app to count the requests of.
        registry: Registry of the metrics.
    """

    def __init__(self, app, registry: CollectorRegistry):
        self.app = app
        names = ("path", "status")
        self._requests = Counter(
            "signllm_requests", "Requests that were answered", names, registry=registry
        )
        self._seconds = Histogram(
            "signllm_seconds", "Seconds to an answer's end", names[:1], registry=registry,
            buckets=_SECONDS,
        )  # fmt: skip

    async def __call__(self, scope, receive, send):
        """Serves one request, as ASGI says."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"] if scope["path"] in _PATHS else "other"
        began = time.monotonic()

        async def counted(message):
            if message["type"] == "http.response.start":
                self._requests.labels(path, message["status"]).inc()
            await send(message)

        try:
            return await self.app(scope, receive, counted)
        finally:
            self._seconds.labels(path).observe(time.monotonic() - began)


def gauge(registry: CollectorRegistry, name: str, text: str, value: Callable[[], float]) -> None:
    """Adds a gauge with the description `text`, which calls `value` when it is shown."""
    Gauge(name, text, registry=registry).set_function(value)
