"""One run of a job: what it commits, who hears of it, and when it has to stop."""

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
    """Who hears of a running job."""

    report: Report
    notice: Notice
    metrics: JobMetrics


@dataclass
class JobRun:
    """What is known of a run while it lasts. `records` are those it began with."""

    job: Job
    out: str
    records: dict[int, ShardRecord]
    pool: WorkerPool
    limits: Limits
    watch: RunObservers
    gained: int = 0
    """Units of work finished in this run, which the next one need not do."""

    def __post_init__(self) -> None:
        self.committed = sum(record.rows for record in self.records.values())
        self._loose = 0

    def add(self, record: ShardRecord) -> None:
        """A shard is committed."""
        self.committed += record.rows
        self.gained, self._loose = self.gained + 1, self._loose + 1
        self.watch.metrics.committed(record)
        if self._loose >= commit.COMPACT_AT:
            commit.compact(self.out)
            self._loose = 0

    def tell(self, done: float, **extra: Any) -> None:
        """So many items are made, those of unfinished shards included."""
        done, metrics = min(done, self.job.count), self.watch.metrics
        metrics.tick(done, self.pool.workers, self.pool.failures)
        extra |= {"workers": self.pool.workers, **metrics.refused}
        self.watch.report(done, self.job.count, **extra)

    def stop(self) -> str | None:
        """Why the run has to stop now, and what to do."""
        limit = self.limits.reached()
        if limit is None:
            return None
        if self.gained:
            return f"{limit} is reached; run the same command again to continue"
        reason = f"{limit} is reached before a shard was finished, so nothing was kept"
        unit_s = self.pool.unit_s
        if unit_s is None:
            return f"{reason}; raise it, or start in another out with smaller shard_items"
        needed = self.limits.enough(self.limits.elapsed_s + unit_s)
        return (
            f"{reason}: a shard of up to {self.job.shard_items:,} images takes about {unit_s:,.0f} "
            f"s; raise {needed}, or start in another out with smaller shard_items"
        )
