"""Pictures far larger than the model makes them: bounded memory, the same bytes."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc.execution.estimate import Probe
from aigc.execution.planning import plan_job
from aigc.execution.shard_work import make_item_generator
from aigc.generation.pipeline import MakeShard
from aigc.job.briefs import Briefs
from aigc.job.briefs import read as read_briefs
from aigc.specs import GenerateSpec
from aigc.types import Shard
from tests.sets.conftest import SetMaker

MIB = 2**20
HUGE = {"width": 1024, "height": 1024, "colour": "rgb", "codec": "raw", "resampling": "nearest"}


@pytest.fixture(scope="module")
def sets() -> SetMaker:
    return SetMaker()


def briefs_of(sets: SetMaker, folder: Path, lines: list[dict]) -> tuple[GenerateSpec, Briefs]:
    (folder / "briefs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    values = {"model": sets.version.ref, "out": str(folder / "set"), "colour": "rgb"}
    spec = GenerateSpec(briefs=str(folder / "briefs.jsonl"), **values)
    briefs = read_briefs(spec, sets.config).briefs
    assert briefs is not None
    return spec, briefs


@pytest.mark.parametrize("unit", [MakeShard(Shard(0, 0, 64)), Probe(1, 0.0)], ids=str)
def test_memory_does_not_grow_with_the_micro_batch(sets: SetMaker, tmp_path: Path, unit) -> None:
    out = str(tmp_path / "set")
    job = sets.start(out, count=64, micro_batch=64, shard_items=64, **HUGE)
    item_generator = make_item_generator(job, sets.config, sets.tensors, None)
    item_generator.make(np.arange(64), np.zeros(64, np.int64))
    made: list[int] = []
    tracemalloc.start()
    try:
        unit(item_generator, out, made.append)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(made) == 64
    assert peak < 100 * MIB, f"{peak / MIB:.0f} MiB for 192 MiB of pictures"


def test_parts_follow_the_size_that_briefs_ask_for(sets: SetMaker, tmp_path: Path) -> None:
    huge = {"width": 2048, "height": 1024, "count": 6}
    lines: list[dict[str, Any]] = [
        {"brief_id": "a", "count": 20},
        {"brief_id": "b"} | huge,
        {"brief_id": "c", "count": 1},
    ]
    spec, briefs = briefs_of(sets, tmp_path, lines)
    job = plan_job(spec, sets.version, "cpu", "fp32", briefs)
    item_generator = make_item_generator(job, sets.config, sets.tensors, briefs)
    made = item_generator.make(np.arange(27), np.zeros(27, np.int64))
    made.refused["blank"] = 3
    parts = list(item_generator.parts(made))
    assert [len(part.indices) for part in parts] == [22, 3, 2]
    assert [part.refused.total() for part in parts] == [3, 0, 0]
    assert [file for part in parts for file in item_generator.files(part)] == item_generator.files(
        made
    )


def test_shards_are_sized_by_the_mean_of_the_briefs(sets: SetMaker, tmp_path: Path) -> None:
    lines = [{"brief_id": "a", "count": 50_000, "width": 1024, "height": 1024}]
    spec, briefs = briefs_of(sets, tmp_path, lines)
    mean_bytes = 1024 * 1024 * 3 * 3 // 4
    job = plan_job(spec, sets.version, "cpu", "fp32", briefs)
    assert 128 * MIB <= job.shard_items * mean_bytes <= 512 * MIB
    lines.append({"brief_id": "b", "count": 150_000, "width": 64, "height": 64})
    spec, briefs = briefs_of(sets, tmp_path, lines)
    mixed = plan_job(spec, sets.version, "cpu", "fp32", briefs)
    assert 3 * job.shard_items < mixed.shard_items < 5 * job.shard_items
