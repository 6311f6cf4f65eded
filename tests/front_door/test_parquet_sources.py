"""Parquet as a source, where a column or every row is missing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands.conftest import Aigc
from tests.commands.conftest import aigc as aigc  # noqa: PLC0414

IMAGE = pa.array([b"x"])
NONE = pa.array([], pa.binary())
TABLES = {
    "no labels": ({"image": IMAGE, "kind": ["a"]}, "no column 'label'; set label_column to one of"),
    "no labels at all": ({"image": IMAGE}, "or to '' if there are none"),
    "no pictures": ({"label": ["a"]}, "no column 'image'; set image_column to one of label"),
    "paths": ({"image": ["a.png"], "label": ["a"]}, "is string; expected binary.* of paths alone"),
    "paths under another name": (
        {"file_name": ["a.png"], "label": ["a"]},
        "of paths alone, put the table as metadata.parquet",
    ),
    "paths in a struct": ({"image": [{"path": "a.png"}], "label": ["a"]}, "of paths alone"),
    "paths without bytes": (
        {"image": [{"bytes": None, "path": "a.png"}], "label": ["a"]},
        "of paths alone",
    ),
    "paths in a struct of bytes": (
        {
            "image": pa.array(
                [{"bytes": None, "path": "a.png"}],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            ),
            "label": ["a"],
        },
        "no image bytes, only the path 'a.png'",
    ),
    "no rows": ({"image": NONE, "label": pa.array([], pa.string())}, "no rows in 1 Parquet files"),
    "no rows of numbers": ({"image": NONE, "label": pa.array([], pa.int64())}, "no rows in 1"),
    "no rows of nothing": ({"image": NONE, "label": pa.array([], pa.null())}, "label"),
}


@pytest.mark.parametrize(("columns", "reason"), TABLES.values(), ids=[*TABLES])
def test_what_is_missing_is_named(aigc: Aigc, columns: dict[str, object], reason: str) -> None:
    Path("raw").mkdir()
    pq.write_table(pa.table(columns), "raw/train.parquet")
    made = aigc("data", "prepare", "raw", "data", "--set", "size=16")
    assert made.code == 2
    assert all(part in made.err.splitlines()[-1] for part in reason.split(".*"))
    assert "Traceback" not in made.err
    assert not Path("data").exists()


def test_a_link_in_a_circle_is_named(aigc: Aigc) -> None:
    Path("raw").symlink_to("raw")
    made = aigc("data", "prepare", "raw", "data", "--set", "size=16")
    assert made.code == 2
    assert "raw: a link to nothing, or to itself" in made.err
