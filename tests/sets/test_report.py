"""How fast a job went, whatever its parts: rounds, pauses, growth."""

from __future__ import annotations

import pytest

from aigc.sets.report import summarise
from aigc.types import ShardRecord, Span


def record(number: int, span: Span, *earlier: Span, rows: int = 100) -> ShardRecord:
    start = 100 * number
    return ShardRecord(
        number,
        start,
        start + rows,
        "f",
        10,
        "",
        "",
        started_at=span[0],
        wall_s=span[1],
        earlier=earlier,
    )


@pytest.fixture
def figures(sets, tmp_path):
    job = sets.start(str(tmp_path))

    def of(*records: ShardRecord):
        whole = job.model_copy(update={"count": sum(found.rows for found in records)})
        return summarise(str(tmp_path), whole, {found.shard: found for found in records})

    return of


def test_a_set_that_grew_days_later_is_as_fast_as_it_was(figures) -> None:
    day = 86_400.0
    found = figures(record(0, (0, 10)), record(1, (10, 10)), record(2, (day, 10)))
    assert (found["wall_s"], found["items_per_s"]) == (30.0, 10.0)
    assert found["pauses_s"] == day - 20
    rates = [point["items_per_s"] for point in found["throughput"]]
    assert rates == pytest.approx([10, 10, 10])


def test_work_in_rounds_counts(figures) -> None:
    """Ten seconds staging, five judging, a second putting together."""
    staged = [record(n, (15 + n / 2, 0.5), (5 * n, 5), rows=100) for n in (0, 1)]
    found = figures(*staged)
    assert (found["wall_s"], found["items_per_s"], found["pauses_s"]) == (16.0, 12.5, 0.0)
    areas = [point["items_per_s"] * 8 for point in found["throughput"]]
    assert sum(areas) == pytest.approx(200, abs=1)
    assert areas[0] > areas[1]
