from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.execution.planning import plan_job, probe_keys, require_possible
from aigc.job.keys import SampleKeys
from aigc.specs import GenerateSpec
from aigc.store import ModelVersion
from tests.job.briefs.helpers import CONFIG, read_file, spec, write_csv
from tests.keys_for_tests import cuts_of
from tests.models_for_tests import publish_tiny

COLUMNS = ["brief_id", "label", "count", "truncation"]


@pytest.fixture(scope="module")
def version() -> ModelVersion:
    return publish_tiny("tiny")


def probe(folder: Path, *rows: list) -> SampleKeys:
    path = write_csv(folder / "briefs.csv", COLUMNS, list(rows))
    briefs, rejects = read_file(path, labels=["zero"])
    assert not rejects
    return probe_keys(spec(path, labels=["zero"]), CONFIG, briefs)


def test_a_probe_is_drawn_as_the_briefs_ask(tmp_path) -> None:
    """Their labels and truncations in their shares, whatever the spec says of labels."""
    keys = probe(tmp_path, ["a", "one", 9000, 0.5], ["b", "two|three", 3000, ""])
    shares = {
        CONFIG.labels[at]: n / len(keys)
        for at, n in Counter(keys.conditions["label"].tolist()).items()
    }
    assert shares["one"] == 0.75
    assert set(shares) == {"one", "two", "three"}
    assert abs(shares["two"] - 0.125) < 0.02
    one = keys.conditions["label"] == CONFIG.labels.index("one")
    assert set(cuts_of(keys)[one]) == {0.5}
    assert np.isinf(cuts_of(keys)[~one]).all()
    assert len(set(keys.counters.tolist())) == len(keys)
    assert len(set(keys.seeds.tolist())) == 1


def test_a_probe_is_the_same_every_time_and_labels_that_repeat_do_not_bend_it(tmp_path) -> None:
    rows = ["a", "zero|one|two|three", 2048 * 4, ""]
    keys, again = probe(tmp_path, rows), probe(tmp_path, rows)
    np.testing.assert_array_equal(keys.conditions["label"], again.conditions["label"])
    counts = np.bincount(keys.conditions["label"], minlength=4)
    assert counts.min() > 0.8 * counts.max()


def test_a_few_items_are_probed_evenly(tmp_path) -> None:
    keys = probe(tmp_path, ["a", "one", 1, 0.5], ["b", "two", 3, ""])
    assert (int(np.count_nonzero(cuts_of(keys) == 0.5)), len(keys)) == (512, 2048)


@pytest.mark.parametrize("codec", [None, "png", "raw"])
def test_a_quality_without_effect_is_refused(version: ModelVersion, codec: str | None) -> None:
    asked = GenerateSpec(model="m", out="o", count=1, codec=codec, quality=80)
    job = plan_job(asked, version, "cpu", "fp32")
    said = f"^quality = 80: has no effect on codec {codec or 'png'}; .* or use jpeg or webp$"
    with pytest.raises(SpecError, match=said):
        require_possible(asked, job, None)
    for fine in ({"quality": 100}, {"codec": "jpeg"}, {"codec": "webp"}):
        other = asked.model_copy(update=fine)
        require_possible(other, plan_job(other, version, "cpu", "fp32"), None)


def test_a_quality_has_an_effect_if_one_brief_has_such_a_codec(
    tmp_path, version: ModelVersion
) -> None:
    rows = [["a", "one", 2, ""], ["b", "two", 2, "png"]]
    for last, refused in (("jpeg", False), ("png", True)):
        columns = ["brief_id", "label", "count", "codec"]
        path = write_csv(tmp_path / f"{last}.csv", columns, [*rows, ["c", "one", 2, last]])
        asked, (briefs, rejects) = spec(path, quality=70), read_file(path, quality=70)
        assert not rejects
        job = plan_job(asked, version, "cpu", "fp32", briefs)
        expected = pytest.raises(SpecError, match=r"^quality = 70: has no effect on codec png")
        with expected if refused else contextlib.nullcontext():
            require_possible(asked, job, briefs)
