"""Parquet files with a column of splits, each with the right result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.data.pictures import encoded, noise
from tests.front_door.folders import Case, parquet, zipped

_UNUSED = "in a split that is not used"


def _table(splits: Sequence[Any], name: str = "split", first: int = 0) -> bytes:
    """A row for each of `splits`, labelled a, b, a, …"""
    count = len(splits)
    images = [encoded(noise(first + number)) for number in range(count)]
    labels = ["ab"[number % 2] for number in range(count)]
    return parquet({"image": images, "label": labels, name: splits})


# fmt: off
SPLIT_COLUMNS = [
    Case("Parquet with a column of splits",
         {"x.parquet": _table(["train", "Train", "test", "validation", "unlabeled"])},
         labels="a b", test="x.parquet:00000002 x.parquet:00000003", items=4, ignored={_UNUSED: 1},
         told="splits by column: Train to train on, test to test on"),
    Case("Parquet with a column of subsets",
         {"x.parquet": _table(["TRAIN", "DEV", None], "Subset")}, labels="a b",
         test="x.parquet:00000001", items=3, told="empty cells to train on"),
    Case("Parquet with a split that is not known", {"x.parquet": _table(["train", "fold7"])},
         refused="x.parquet: column 'split': split 'fold7' is not known; say --set"),
    Case("Parquet with splits of one's own", {"x.parquet": _table([1, 2, 3], "partition")},
         fields={"splits": {"1": "train", "2": "test", "3": "ignore"}}, labels="a b",
         test="x.parquet:00000001", items=2, ignored={_UNUSED: 1}),
    Case("Parquet with a column of splits, unread", {"x.parquet": _table(["train", "test"])},
         fields={"splits": {}}, labels="a b", items=2, told="2 classes (a, b)"),
    Case("Parquet with splits that are all to test on", {"x.parquet": _table(["test", "val"])},
         refused="no row is to train on by column 'split'; say with splits which are"),
    Case("Parquet with splits of all kinds", {"x.parquet": _table([["train"], ["test"]])},
         refused="--set 'splits={}' to leave the column unread"),
    Case("Parquet whose classes are in a column named subset",
         {"x.parquet": _table(["x", "y"], "subset")}, fields={"label_column": "subset"},
         labels="x y", items=2),
    Case("Parquet files and a column of splits",
         {"train.parquet": _table(["train", "test"]),
          "test.parquet": _table([None, "test"], first=9)}, labels="a b", items=4,
         test="test.parquet:00000000 test.parquet:00000001 train.parquet:00000001"),
    Case("a ZIP of Parquet with a column of splits",
         {"x.zip": zipped({"x.parquet": _table(["train", "test", "train"])})}, labels="a b",
         test="x.parquet:00000001", items=3),
]
# fmt: on
