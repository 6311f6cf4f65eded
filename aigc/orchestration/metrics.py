"""What a running job tells Prometheus, from the process that drives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from aigc.errors import PlacementError
from aigc.generation.plan import Job
from aigc.types import ShardRecord


class JobMetrics:
    """Gauges of one job, served at http://HOST:PORT/metrics until the process ends.

    Gauges and not counters, because a resumed job begins with what is there already.
    """

    def __init__(self, job: Job, records: Iterable[ShardRecord] = ()) -> None:
        self.registry = CollectorRegistry()
        self._items = self._gauge("items", "Items made, those of unfinished shards included")
        self._committed = self._gauge("committed_items", "Items in committed shards")
        self._shards = self._gauge("committed_shards", "Shards committed")
        self._bytes = self._gauge("committed_bytes", "Bytes in committed shards")
        self._workers = self._gauge("workers", "Workers ready or at work")
        self._failures = self._gauge("failures", "Failed attempts at units of work so far")
        self._refused = Gauge(
            "aigc_job_refused_candidates",
            "Candidates refused by gates in committed shards",
            ["reason"],
            registry=self.registry,
        )
        self._gauge("planned_items", "Items the job was asked for").set(job.count)
        self._gauge("planned_shards", "Shards the job is cut into").set(job.shards)
        self._refused_by = Counter[str]()
        for record in records:
            self.committed(record)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"aigc_job_{name}", text, registry=self.registry)

    def committed(self, record: ShardRecord) -> None:
        self._committed.inc(record.rows)
        self._shards.inc()
        self._bytes.inc(record.size_bytes)
        for reason, count in record.refused.items():
            self._refused.labels(reason).inc(count)
            self._refused_by[reason] += count

    def tick(self, items: float, workers: int, failures: int) -> None:
        self._items.set(items)
        self._workers.set(workers)
        self._failures.set(failures)

    def serve(self, port: int, host: str = "127.0.0.1") -> int:
        """Begin to answer; returns the port, which is a free one for 0.

        Raises:
            PlacementError: the port is taken.
        """
        try:
            server, _ = start_http_server(port, host, self.registry)
        except OSError as error:
            raise PlacementError(
                f"metrics port {port} at {host}: {error.strerror or error}; choose another"
            ) from None
        return int(server.server_port)

    @property
    def refused(self) -> Counter[str]:
        """Of committed shards, for the progress line."""
        return self._refused_by
