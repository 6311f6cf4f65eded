from __future__ import annotations

import re
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.errors import JobError
from aigc.job.formats import shard_items
from aigc.job.keys import ATTEMPT
from aigc.job.plan import Job, Range, keys_at
from aigc.specs import Gates, GenerateSpec
from tests.models_for_tests import tiny_config


def make_job(**changes) -> Job:
    fields = {
        "model": "tiny@v1",
        "model_uri": "/store/models/tiny/v1",
        "model_digest": "d" * 64,
        "count": 1000,
        "seed": 7,
        "pattern": (0, 1, 2, 3),
        "labels": ("zero", "one", "two", "three"),
        "truncation": None,
        "codec": "png",
        "quality": 90,
        "precision": "fp32",
        "device": "cpu",
        "micro_batch": 8,
        "shard_items": 64,
        "height": 16,
        "width": 16,
        "channels": 1,
        "latent_dim": 16,
        "resampling": "lanczos",
        "writer": "parquet",
        "include": (),
        "asked_gates": Gates(),
        "gates": Gates(),
    }
    if "ranges" not in changes:
        fields["ranges"] = (Range(start=0, stop=changes.get("count", 1000)),)
    return Job.model_validate(fields | changes)


@settings(deadline=None)
@given(count=st.integers(1, 20_000), items=st.integers(1, 5000))
def test_shards_cover_every_index_once(count: int, items: int) -> None:
    job = make_job(count=count, shard_items=items)
    shards = list(job.plan())
    assert shards[0].start == 0
    assert shards[-1].stop == count
    assert all(a.stop == b.start for a, b in pairwise(shards))
    assert [shard.number for shard in shards] == list(range(job.shards))
    assert all(0 < shard.items <= items for shard in shards)


def test_a_shard_is_whole_micro_batches_and_its_file_of_sensible_size() -> None:
    config = tiny_config()
    for count in (1, 100, 10_000, 10**6, 10**9):
        spec = GenerateSpec(model="m", out="o", count=count)
        items = shard_items(spec, config, count)
        assert items % spec.micro_batch == 0
        assert items * 256 <= 257 * 2**20
    asked = GenerateSpec(model="m", out="o", count=100, shard_items=100, micro_batch=64)
    assert shard_items(asked, config, 100) == 128


def test_a_job_survives_its_file_and_says_how_another_differs() -> None:
    job = make_job()
    assert Job.from_json(job.to_json(), "x") == job
    assert job.differences(job) == []
    assert job.differences(make_job(model_uri="/elsewhere")) == []
    assert job.differences(make_job(seed=8, count=9)) == [
        "count: 1000 there, 9 asked",
        "seed: 7 there, 8 asked",
    ]
    asked = Gates.model_validate({"degenerate": True, "realism": {"percentile": 5}})
    other = Gates.model_validate({"degenerate": True, "realism": {"percentile": 6}})
    assert make_job(asked_gates=asked).differences(make_job(asked_gates=other)) == [
        "gates.realism.percentile: 5.0 there, 6.0 asked"
    ]


def test_it_counts_what_a_gates_data_set_holds_not_where_it_lies() -> None:
    def job(place: str, digest: str) -> Job:
        asked = Gates.model_validate({"memorisation": {"data": place}})
        return make_job(asked_gates=asked, gates=asked, data_digests={"memorisation": digest})

    assert isinstance(hash(job("/data", "a" * 64)), int), "services keep what they read of jobs"
    begun, moved = job("/data", "a" * 64), job("/elsewhere", "a" * 64)
    assert begun.differences(moved) == []
    assert begun.taken_up_by(moved) == moved
    (line,) = begun.differences(job("/data", "b" * 64))
    assert re.fullmatch(r"gates\.memorisation\.data: digest a+\.+ there, digest b+\.+ asked", line)


def test_a_foreign_job_file_is_one_clear_line() -> None:
    with pytest.raises(JobError, match="not a job of this version"):
        Job.from_json(b"{}", "x/_job.json")


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=8), items=st.integers(1, 100))
def test_ranges_are_cut_apart_and_every_slot_finds_its_shard(lengths, items) -> None:
    stops = list(accumulate(lengths))
    ranges = tuple(
        Range(start=stop - length, stop=stop, folder=f"part={number}")
        for number, (stop, length) in enumerate(zip(stops, lengths, strict=True))
    )
    job = make_job(count=stops[-1], shard_items=items, ranges=ranges)
    shards = list(job.plan())
    assert len(shards) == job.shards
    for shard in shards:
        for index in (shard.start, shard.stop - 1):
            assert job.shard_of(index) == shard.number
            within = next(found for found in ranges if found.start <= index < found.stop)
            assert shard.folder == within.folder


def test_a_draw_changes_the_candidate_and_nothing_else() -> None:
    indices = np.arange(10)
    first = keys_at(make_job(), None, indices, np.zeros(10, np.int64))
    third = keys_at(make_job(), None, indices, np.full(10, 2))
    assert first.counters.tolist() == list(range(10))
    assert (third.counters - first.counters == 2 * ATTEMPT).all()
    assert np.array_equal(first.conditions["label"], third.conditions["label"])
    assert first.seeds.tolist() == [7] * 10
