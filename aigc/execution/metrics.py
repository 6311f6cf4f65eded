"""Prometheus metrics of a running job, exported by its driver."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from aigc.errors import PlacementError
from aigc.job.plan import Job
from aigc.types import Notice, ShardRecord

_HOST = "127.0.0.1"


class JobMetrics:
    """Gauges of one job. They are not counters, since a resumed job starts above zero."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._items = self._gauge("items", "Items generated, those of unfinished shards included")
        self._committed = self._gauge("committed_items", "Items in committed shards")
        self._shards = self._gauge("committed_shards", "Shards committed")
        self._bytes = self._gauge("committed_bytes", "Bytes in committed shards")
        self._workers = self._gauge("workers", "Workers that are ready or busy")
        self._failures = self._gauge("failures", "Failed attempts at units of work so far")
        self._refused = Gauge(
            "aigc_job_refused_candidates",
            "Candidates refused by gates in committed shards",
            ["reason"],
            registry=self.registry,
        )
        self._planned_items = self._gauge("planned_items", "Items of the whole job")
        self._planned_shards = self._gauge("planned_shards", "Shards of the whole job")
        self._refused_by = Counter[str]()

    def begin(self, job: Job, records: Iterable[ShardRecord] = ()) -> None:
        """Set the planned sizes and what is committed already."""
        self._planned_items.set(job.count)
        self._planned_shards.set(job.shards)
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

    @contextlib.contextmanager
    def served(self, port: int | None, notice: Notice) -> Iterator[JobMetrics]:
        """Serve http://127.0.0.1:`port`/metrics inside the block: a free port for 0, nothing for
        None.

        Raises:
            PlacementError: the port is in use.
        """
        if port is None:
            yield self
            return
        try:
            server, _ = start_http_server(port, _HOST, self.registry)
        except OSError as error:
            raise PlacementError(
                f"--metrics-port {port}: {error.strerror or error} at {_HOST}; choose another"
            ) from None
        notice(f"metrics: http://{_HOST}:{server.server_port}/metrics")
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    @property
    def refused(self) -> Counter[str]:
        """Refused candidates of committed shards by reason."""
        return self._refused_by
