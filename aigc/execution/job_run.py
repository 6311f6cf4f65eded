"""One run of a job: its commits, its observers and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aigc.execution.limits import Limits
from aigc.execution.metrics import JobMetrics
from aigc.execution.pool import WorkerPool
from aigc.job.plan import Job
from aigc.output import commit
from aigc.types import Notice, Report, ShardRecord


@dataclass(frozen=True)
class RunObservers:
    """Receivers of a running job's progress, notices and metrics."""

    report: Report
    notice: Notice
    metrics: JobMetrics


@dataclass
class JobRun:
    """State of a run. `records` are the shards committed before it."""

    job: Job
    out: str
    records: dict[int, ShardRecord]
    pool: WorkerPool
    limits: Limits
    observers: RunObservers
    finished_units: int = 0
    """Units finished in this run, which a rerun does not repeat."""

    def __post_init__(self) -> None:
        self.committed = sum(record.rows for record in self.records.values())
        self._uncompacted = 0

    def add(self, record: ShardRecord) -> None:
        """Count a committed shard."""
        self.committed += record.rows
        self.finished_units, self._uncompacted = self.finished_units + 1, self._uncompacted + 1
        self.observers.metrics.committed(record)
        if self._uncompacted >= commit.COMPACT_AT:
            commit.compact(self.out)
            self._uncompacted = 0

    def report(self, done: float, **extra: Any) -> None:
        """Report `done` items, those of unfinished shards included, to the observers."""
        done, metrics = min(done, self.job.count), self.observers.metrics
        metrics.tick(done, self.pool.workers, self.pool.failures)
        extra |= {"workers": self.pool.workers, **metrics.refused}
        self.observers.report(done, self.job.count, **extra)

    def stop(self) -> str | None:
        """A message if a limit is reached: which one, and what to do; else None."""
        limit = self.limits.reached()
        if limit is None:
            return None
        if self.finished_units:
            return f"{limit} is reached; run the same command again to continue"
        reason = f"{limit} was reached before a shard was finished, so nothing was kept"
        unit_s = self.pool.estimated_unit_s
        if unit_s is None:
            return f"{reason}; raise it, or start in another out with smaller shard_items"
        needed = self.limits.enough(self.limits.elapsed_s + unit_s)
        return (
            f"{reason}: a shard of up to {self.job.shard_items:,} items takes about {unit_s:,.0f} "
            f"s; raise {needed}, or start in another out with smaller shard_items"
        )
