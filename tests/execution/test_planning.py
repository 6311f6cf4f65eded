from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from aigc.execution.planning import probe_keys
from aigc.job.keys import SampleKeys
from tests.job.briefs.helpers import CONFIG, read_file, spec, write_csv
from tests.keys_for_tests import cuts_of

COLUMNS = ["brief_id", "label", "count", "truncation"]


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
