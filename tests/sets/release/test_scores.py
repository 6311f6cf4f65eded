from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aigc.output import commit
from aigc.sets.release import scores
from aigc.sets.release.scores import histograms

REALISM = {"gates": {"realism": {"threshold": -1e9}}, "include": ["scores"]}


@pytest.mark.parametrize("writer", ["parquet", "webdataset", "files"])
def test_scores_of_any_writer_are_counted(sets, tmp_path: Path, writer: str) -> None:
    out = str(tmp_path)
    job = sets.finished(out, writer=writer, **REALISM)
    (found,) = histograms(out, job, commit.read_records(out))
    assert found.column.name == "score"
    assert sum(found.counts) == found.items == 100
    assert (found.threshold, found.beyond) == (-1e9, 0)
    assert len(found.edges) == len(found.counts) + 1


def test_a_set_without_scores_has_none(sets, tmp_path: Path) -> None:
    job = sets.finished(str(tmp_path))
    assert histograms(str(tmp_path), job, commit.read_records(str(tmp_path))) == []


def test_a_safety_score_goes_from_0_to_1(sets, tmp_path: Path) -> None:
    """The column as the gate writes it, next to those of the set."""
    out = str(tmp_path)
    job = sets.finished(out)
    values = iter(np.linspace(0, 0.9, 100, dtype=np.float32))
    for record in commit.read_records(out).values():
        table = pq.read_table(tmp_path / record.file)
        column = np.array([next(values) for _ in range(len(table))])
        pq.write_table(table.append_column("safety", [column]), tmp_path / record.file)
    (found,) = histograms(out, job, commit.read_records(out))
    assert found.column.name == "safety"
    assert (found.edges[0], found.edges[-1]) == (0.0, 1.0)
    assert sum(found.counts) == 100
    assert found.counts[-1] == 0


def test_of_many_shards_some_are_read(sets, tmp_path: Path, monkeypatch) -> None:
    out = str(tmp_path)
    job = sets.finished(out, **REALISM)
    monkeypatch.setattr(scores, "_SHARDS", 2)
    assert histograms(out, job, commit.read_records(out))[0].items == 64
    monkeypatch.setattr(scores, "_MOST_VALUES", 10)
    assert histograms(out, job, commit.read_records(out))[0].items == 32
