"""Driving a job in rounds: stage candidates, judge them together, fill up, put shards together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from aigc.errors import JobError
from aigc.generation import duplicates, rounds
from aigc.generation.draws import Ints
from aigc.generation.plan import Job
from aigc.orchestration.pool import Pool
from aigc.output import commit
from aigc.types import Notice, Report, ShardRecord

Stop = Callable[[], str | None]

_ENOUGH_CANDIDATES = 1000


def run(
    job: Job,
    out: str,
    records: dict[int, ShardRecord],
    pool: Pool,
    report: Report,
    notice: Notice,
    stop: Stop,
) -> None:
    """Until every shard is committed. Rounds that were judged before are taken as they are.

    Raises:
        JobError: duplicates never end: the model repeats itself.
    """
    number, orders, settled = 0, None, 0
    while True:
        rows, refused = _round(job, out, number, orders, settled, pool, report, stop)
        settled += rows - len(refused)
        if len(refused):
            notice(f"round {number}: {len(refused):,} of {rows:,} are duplicates; replacing them")
        if not len(refused):
            break
        _require_progress(job, out, number, rows, len(refused))
        number, orders = number + 1, refused
    todo = [shard for shard in job.plan() if shard.number not in records]
    units = (rounds.Assemble(shard, number + 1) for shard in todo)
    loose = 0

    def add(record: ShardRecord) -> None:
        nonlocal loose
        loose += 1
        if loose % commit.COMPACT_AT == 0:
            commit.compact(out)

    pool.run(units, len(todo), add, stop=stop)


def _round(
    job: Job,
    out: str,
    number: int,
    orders: Ints | None,
    settled: int,
    pool: Pool,
    report: Report,
    stop: Stop,
) -> tuple[int, Ints]:
    """(candidates of the round, those of them refused)."""
    refused = rounds.read_refused(out, number)
    if refused is None:
        there = rounds.staged(out, number)
        todo = [shard for shard in rounds.pending(job, orders) if shard.number not in there]
        done = settled

        def add(rows: int) -> None:
            nonlocal done
            done += rows

        def tick(under_way: float) -> None:
            report(min(done + under_way, job.count), job.count, workers=pool.workers, round=number)

        stages = (rounds.Stage(shard, number) for shard in todo)
        pool.run(stages, len(todo), add, tick, stop)
        refused = _judge(job, out, number, settled, pool, stop)
        rounds.write_refused(out, number, refused)
    return rounds.counts(out, number)[0], refused


def _judge(job: Job, out: str, number: int, settled: int, pool: Pool, stop: Stop) -> Ints:
    gate = job.gates.duplicates
    assert gate is not None
    candidates = settled + rounds.counts(out, number)[0]
    parts = duplicates.parts(candidates, gate.distance if gate.near else 0)
    found: list[Ints] = []
    pool.run((rounds.Judge(part, number) for part in parts), len(parts), found.append, stop=stop)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _require_progress(job: Job, out: str, number: int, rows: int, refused: int) -> None:
    limits = job.gates
    others: Counter[str] = rounds.counts(out, number)[1]
    reasons = ", ".join(f"{name} {count:,}" for name, count in others.most_common())
    said = f"{refused:,} of {rows:,} candidates of round {number} are duplicates" + (
        f" (refused before: {reasons})" if reasons else ""
    )
    if rows >= _ENOUGH_CANDIDATES and rows - refused < limits.min_accepted * rows:
        raise JobError(
            f"{said}: fewer than gates.min_accepted = {limits.min_accepted:g} are new; the model "
            "repeats itself: train it further, ask for fewer items or loosen gates.duplicates"
        )
    if number + 1 >= limits.max_draws:
        raise JobError(
            f"{said}, after gates.max_draws = {limits.max_draws} rounds; ask for fewer items or "
            "loosen gates.duplicates"
        )
