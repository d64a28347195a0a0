"""Counts for Prometheus: requests, how long they took, and what waits."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

__all__ = ["CONTENT_TYPE", "Metrics"]
_PATHS = ("/produce", "/clip", "/languages")
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """ASGI middleware that counts, and what /metrics shows.

    Args:
        app: what it is around.
        registry: of the counts.
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


def gauge(registry: CollectorRegistry, name: str, what: str, value: Callable[[], float]) -> None:
    """Adds a gauge whose value is asked for when it is shown."""
    Gauge(name, what, registry=registry).set_function(value)


def shown(registry: CollectorRegistry) -> bytes:
    """The counts in Prometheus' text format."""
    return generate_latest(registry)
