"""Runs a job in rounds: stage candidates, find duplicates, replace them, assemble the shards."""

from __future__ import annotations

from collections import Counter

import numpy as np

from aigc.errors import GatesError
from aigc.execution.job_run import JobRun
from aigc.generation import duplicates, round_files, rounds
from aigc.job.keys import ATTEMPT, Ints

_ENOUGH_CANDIDATES = 1000


def run(job_run: JobRun) -> None:
    """Run until every shard is committed. Finished rounds of an earlier run are reused.

    Raises:
        GatesError: the model repeats itself, or all candidates of an item were refused.
    """
    number, orders, settled = 0, None, 0
    while True:
        rows, refused = _round(job_run, number, orders, settled)
        settled += rows - len(refused)
        if not len(refused):
            break
        said = f"{len(refused):,} of {rows:,} are duplicates"
        job_run.observers.notice(f"round {number}: {said}; replacing them")
        _require_progress(job_run, number, rows, refused)
        number, orders = number + 1, refused
    _assemble(job_run, number + 1)


def _assemble(job_run: JobRun, number: int) -> None:
    """Assemble and commit each shard from its `number` rounds."""
    job, records = job_run.job, job_run.records
    todo = (
        rounds.AssembleShard(shard, number) for shard in job.plan() if shard.number not in records
    )

    def tick(under_way: float) -> None:
        job_run.report(job.count, committed=f"{job_run.committed:,}")

    job_run.pool.run(todo, job.shards - len(records), job_run.add, tick, job_run.stop)


def _round(job_run: JobRun, number: int, orders: Ints | None, settled: int) -> tuple[int, Ints]:
    """(number of candidates of the round, the refused ones)."""
    refused = round_files.read_refused(job_run.out, number)
    if refused is None:
        _stage(job_run, number, orders, settled)
        refused = _judge(job_run, number, settled)
        round_files.write_refused(job_run.out, number, refused)
    return round_files.counts(job_run.out, number)[0], refused


def _stage(job_run: JobRun, number: int, orders: Ints | None, settled: int) -> None:
    there = round_files.staged(job_run.out, number)
    asked = rounds.pending(job_run.job, orders)
    todo = [shard for shard in asked if shard.number not in there]
    done = settled + rounds.candidates(job_run.job, orders, there)

    def add(rows: int) -> None:
        nonlocal done
        done += rows
        job_run.finished_units += 1

    def tick(under_way: float) -> None:
        job_run.report(done + under_way, round=number)

    stages = (rounds.StageCandidates(shard, number) for shard in todo)
    job_run.pool.run(stages, len(todo), add, tick, job_run.stop)


def _judge(job_run: JobRun, number: int, settled: int) -> Ints:
    gate = job_run.job.gates.duplicates
    assert gate is not None
    candidates = settled + round_files.counts(job_run.out, number)[0]
    parts = duplicates.parts(candidates, gate.distance if gate.near else 0)
    found: list[Ints] = []
    units = (rounds.FindDuplicates(part, number) for part in parts)
    job_run.pool.run(units, len(parts), found.append, stop=job_run.stop)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _require_progress(job_run: JobRun, number: int, rows: int, orders: Ints) -> None:
    limits, refused = job_run.job.gates, len(orders)
    others: Counter[str] = round_files.counts(job_run.out, number)[1]
    reasons = ", ".join(f"{name} {count:,}" for name, count in others.most_common())
    said = f"{refused:,} of {rows:,} candidates of round {number} are duplicates" + (
        f" (refused before: {reasons})" if reasons else ""
    )
    if rows >= _ENOUGH_CANDIDATES and rows - refused < limits.min_accepted * rows:
        raise GatesError(
            f"{said}: fewer than gates.min_accepted = {limits.min_accepted:g} are new; the model "
            "repeats itself: train it further, ask for fewer items or loosen gates.duplicates"
        )
    last = int(orders.max())
    if last // ATTEMPT + 1 >= limits.max_draws:
        raise GatesError(
            f"item {last % ATTEMPT}: all of gates.max_draws = {limits.max_draws} candidates "
            f"were refused, the last as a duplicate ({said}); ask for fewer items, loosen "
            "gates.duplicates or raise gates.max_draws"
        )
