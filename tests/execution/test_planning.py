from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from aigc.execution.planning import probe_draws
from aigc.job.keys import SampleKeys
from tests.job.briefs.helpers import CONFIG, read_file, spec, write_csv

COLUMNS = ["brief_id", "label", "count", "truncation"]


def probe(folder: Path, *rows: list) -> SampleKeys:
    path = write_csv(folder / "briefs.csv", COLUMNS, list(rows))
    briefs, rejects = read_file(path, labels=["zero"])
    assert not rejects
    return probe_draws(spec(path, labels=["zero"]), CONFIG, briefs)


def test_a_probe_is_drawn_as_the_briefs_ask(tmp_path) -> None:
    """Their labels and truncations in their shares, whatever the spec says of labels."""
    draws = probe(tmp_path, ["a", "one", 9000, 0.5], ["b", "two|three", 3000, ""])
    assert draws.labels is not None
    shares = {CONFIG.labels[at]: n / len(draws) for at, n in Counter(draws.labels.tolist()).items()}
    assert shares["one"] == 0.75
    assert set(shares) == {"one", "two", "three"}
    assert abs(shares["two"] - 0.125) < 0.02
    one = draws.labels == CONFIG.labels.index("one")
    assert set(draws.truncations[one]) == {0.5}
    assert np.isinf(draws.truncations[~one]).all()
    assert len(set(draws.candidates.tolist())) == len(draws)
    assert len(set(draws.seeds.tolist())) == 1


def test_a_probe_is_the_same_every_time_and_labels_that_repeat_do_not_bend_it(tmp_path) -> None:
    rows = ["a", "zero|one|two|three", 2048 * 4, ""]
    draws, again = probe(tmp_path, rows), probe(tmp_path, rows)
    assert draws.labels is not None
    np.testing.assert_array_equal(draws.labels, again.labels)
    counts = np.bincount(draws.labels, minlength=4)
    assert counts.min() > 0.8 * counts.max()


def test_a_few_items_are_probed_evenly(tmp_path) -> None:
    draws = probe(tmp_path, ["a", "one", 1, 0.5], ["b", "two", 3, ""])
    assert (int(np.count_nonzero(draws.truncations == 0.5)), len(draws)) == (512, 2048)
