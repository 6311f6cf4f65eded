"""Content sets of tiny models, asked for, made in any order, and looked into."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from aigc.job.plan import Job
from aigc.output import commit
from aigc.specs import GenerateSpec, build
from aigc.types import Shard


def spec(model: str, out: Path | str, **options) -> GenerateSpec:
    values = {"model": model, "out": str(out), "count": 1200, "seed": 7, "micro_batch": 16}
    return build(GenerateSpec, values | {"shard_items": 160} | options)


@contextmanager
def shuffled(seed: int) -> Iterator[None]:
    """Every plan is handed out in another order."""
    plan = Job.plan

    def another(job: Job) -> Iterator[Shard]:
        return iter(random.Random(seed).sample(list(plan(job)), job.shards))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "plan", another)
        yield


def order_of(out: str) -> list[int]:
    """The shards of a set as they were begun."""
    records = commit.read_records(out).values()
    return [record.shard for record in sorted(records, key=lambda record: record.started_at)]


def rows(out: Path, query: str) -> list[tuple]:
    return duckdb.sql(query.format(f"read_parquet('{out}/data/**/*.parquet')")).fetchall()
