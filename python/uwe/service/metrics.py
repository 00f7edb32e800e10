"""What Prometheus reads at `/metrics`; of several workers, their sums."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "uwe_requests", "Requests.", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "uwe_request_seconds", "Time to answer.", ["path"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self.texts = Counter("uwe_texts", "Queries and texts.", ["path"], registry=self._registry)
        self.batch = Histogram(
            "uwe_batch_queries", "Queries that were ranked together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=self._registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "uwe_waiting", "Queries and texts that wait.", ["operation"],
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip

    def exposition(self) -> bytes:
        """All of it as text, in Prometheus' format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
