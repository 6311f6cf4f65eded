"""Driving a job in rounds: stage candidates, judge them together, fill up, put shards together."""

from __future__ import annotations

from collections import Counter

import numpy as np

from aigc.errors import GatesError
from aigc.execution.course import Course
from aigc.generation import duplicates, rounds
from aigc.job.keys import ATTEMPT, Ints

_ENOUGH_CANDIDATES = 1000


def run(course: Course) -> None:
    """Until every shard is committed. Rounds that were judged before are taken as they are.

    Raises:
        GatesError: duplicates never end: the model repeats itself, or an item has no draw left.
    """
    number, orders, settled = 0, None, 0
    while True:
        rows, refused = _round(course, number, orders, settled)
        settled += rows - len(refused)
        if not len(refused):
            break
        said = f"{len(refused):,} of {rows:,} are duplicates"
        course.watch.notice(f"round {number}: {said}; replacing them")
        _require_progress(course, number, rows, refused)
        number, orders = number + 1, refused
    _assemble(course, number + 1)


def _assemble(course: Course, number: int) -> None:
    """Put together and commit each shard from its `number` rounds."""
    job, records = course.job, course.records
    todo = (rounds.Assemble(shard, number) for shard in job.plan() if shard.number not in records)

    def tick(under_way: float) -> None:
        course.tell(job.count, committed=f"{course.committed:,}")

    course.pool.run(todo, job.shards - len(records), course.add, tick, course.stop)


def _round(course: Course, number: int, orders: Ints | None, settled: int) -> tuple[int, Ints]:
    """(candidates of the round, those of them refused)."""
    refused = rounds.read_refused(course.out, number)
    if refused is None:
        _stage(course, number, orders, settled)
        refused = _judge(course, number, settled)
        rounds.write_refused(course.out, number, refused)
    return rounds.counts(course.out, number)[0], refused


def _stage(course: Course, number: int, orders: Ints | None, settled: int) -> None:
    there = rounds.staged(course.out, number)
    asked = rounds.pending(course.job, orders)
    todo = [shard for shard in asked if shard.number not in there]
    done = settled + rounds.candidates(course.job, orders, there)

    def add(rows: int) -> None:
        nonlocal done
        done += rows
        course.gained += 1

    def tick(under_way: float) -> None:
        course.tell(done + under_way, round=number)

    stages = (rounds.Stage(shard, number) for shard in todo)
    course.pool.run(stages, len(todo), add, tick, course.stop)


def _judge(course: Course, number: int, settled: int) -> Ints:
    gate = course.job.gates.duplicates
    assert gate is not None
    candidates = settled + rounds.counts(course.out, number)[0]
    parts = duplicates.parts(candidates, gate.distance if gate.near else 0)
    found: list[Ints] = []
    units = (rounds.Judge(part, number) for part in parts)
    course.pool.run(units, len(parts), found.append, stop=course.stop)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _require_progress(course: Course, number: int, rows: int, orders: Ints) -> None:
    limits, refused = course.job.gates, len(orders)
    others: Counter[str] = rounds.counts(course.out, number)[1]
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
            f"item {last % ATTEMPT}: all of gates.max_draws = {limits.max_draws} candidates were "
            f"refused, the last as a duplicate ({said}); ask for fewer items, loosen "
            "gates.duplicates or raise gates.max_draws"
        )
