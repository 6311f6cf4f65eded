from __future__ import annotations

import json

import numpy as np
import pytest

from aigc.execution.estimate import Probe, _sample
from aigc.execution.planning import plan_job
from aigc.execution.shard_work import make_item_generator
from aigc.job.briefs import read
from aigc.specs import GenerateSpec
from tests.job.test_plan import make_job
from tests.sets.conftest import SetMaker


def test_briefs_that_begin_small_and_end_large_are_probed_as_a_whole(tmp_path) -> None:
    sets, table = SetMaker(), tmp_path / "briefs.jsonl"
    sides = {"a": 16, "b": 64}
    lines = [
        {"brief_id": name, "count": 4000, "width": side, "height": side}
        for name, side in sides.items()
    ]
    table.write_text("\n".join(map(json.dumps, lines)))
    values = {"model": sets.version.ref, "out": str(tmp_path / "set"), "codec": "raw"}
    spec = GenerateSpec.model_validate(values | {"briefs": str(table), "micro_batch": 16})
    briefs = read(spec, sets.config).briefs
    assert briefs is not None
    job = plan_job(spec, sets.version, "cpu", "fp32", briefs)
    item_generator = make_item_generator(job, sets.config, sets.tensors, briefs)
    found = Probe(1, 0.0)(item_generator, str(tmp_path), lambda items: None)
    assert found["items"] < 1000
    mean_bytes = np.mean([side**2 for side in sides.values()])
    assert found["bytes_per_item"] == pytest.approx(mean_bytes, rel=0.2)


@pytest.mark.parametrize("count", [10, 3000, 10**9])
def test_each_probe_has_items_of_its_own_from_the_whole_job(count) -> None:
    one, other = (_sample(make_job(count=count), number) for number in (0, 1))
    assert 0 <= min(one) <= max(one) < count
    assert len(one) == min(count, 2**20)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, _sample(make_job(count=count), 0))
    if count > 1000:
        np.testing.assert_allclose(one[:1000].mean() / count, 0.5, atol=0.05)
