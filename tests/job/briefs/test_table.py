from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.errors import SpecError
from aigc.job.briefs import Briefs
from aigc.job.briefs.table import columns_of, sort_for
from aigc.modalities import MODALITIES
from tests.keys_for_tests import cuts_of

SHARED = {"first_index": 0, "width": 8, "height": 8, "codec": "png", "quality": 90}
FORMATS = MODALITIES["image"].delivery.columns
PATTERNS = (np.array([0]), np.array([1, 2, 1]), np.array([3, 0]))


def make(rows: list[dict], patterns=PATTERNS, own: pa.Table | None = None) -> Briefs:
    values = [
        {"brief_id": str(at), "truncation": None, **SHARED, **row} for at, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(values, schema=columns_of(FORMATS))
    for name in own.column_names if own is not None else ():
        table = table.append_column(own.schema.field(name), own[name])  # type: ignore[index]
    return Briefs(table, patterns, FORMATS)


def brief(count: int, seed: int = 0, label_pattern: int = 0, truncation=None) -> dict:
    names = ("count", "seed", "label_pattern", "truncation")
    return dict(zip(names, (count, seed, label_pattern, truncation), strict=True))


briefs_of_any_kind = st.lists(
    st.builds(
        brief,
        st.integers(1, 9),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2),
        st.none() | st.floats(0.1, 3),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=briefs_of_any_kind, attempt=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_attempts_agree_with_a_slow_reference(rows: list[dict], attempt: int) -> None:
    expected = [
        (
            row["seed"],
            attempt * 2**40 + local,
            PATTERNS[row["label_pattern"]][local % len(PATTERNS[row["label_pattern"]])],
            row["truncation"] or np.inf,
        )
        for row in rows
        for local in range(row["count"])
    ]
    made = make(rows)
    indices = np.random.default_rng(0).permutation(made.count)
    keys = made.keys(indices, np.full(len(indices), attempt))
    columns = (keys.seeds, keys.counters, keys.conditions["label"], cuts_of(keys))
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found == [expected[index] for index in indices]
    assert keys.seeds.dtype == np.uint64
    assert made.keys(indices, attempt).counters.tolist() == keys.counters.tolist()


def test_a_slot_no_brief_has_is_an_error() -> None:
    made = make([brief(2), brief(3)])
    assert made.rows(np.arange(5)).tolist() == [0, 0, 1, 1, 1]
    assert made.rows(np.empty(0, dtype=np.int64)).tolist() == []
    for index in (-1, 5):
        with pytest.raises(IndexError):
            made.rows(np.array([index]))


def test_parquet_brings_back_the_same() -> None:
    own = pa.table({"name": ["a", None], "tags": [["x"], []], "price": [1.5, float("nan")]})
    made = make([brief(2, 7, 1, 0.5), brief(3, 2**63 - 1, 2)], own=own)
    back = Briefs.from_parquet(made.to_parquet(), FORMATS)
    assert back.digest == made.digest
    assert back.table.schema == made.table.schema
    assert back.own == ("name", "tags", "price")
    assert [pattern.tolist() for pattern in back.patterns] == [p.tolist() for p in PATTERNS]
    indices = np.arange(5)
    assert (
        back.keys(indices).conditions["label"].tolist()
        == made.keys(indices).conditions["label"].tolist()
    )
    with pytest.raises(SpecError, match="damaged"):
        Briefs.from_parquet(b"other", FORMATS)


def test_the_digest_tells_contents_apart() -> None:
    texts = [["ab", "c"], ["a", "bc"], ["", "abc"], [None, "abc"]]
    tables = [pa.table({"own": pa.array(text, pa.string())}) for text in texts]
    rows = [brief(1), brief(2)]
    digests = [make(rows, own=table).digest for table in tables]
    digests += [make(rows).digest, make(rows[::-1]).digest, make(rows, PATTERNS[::-1]).digest]
    digests += [
        make([brief(1, 1), brief(2)]).digest,
        make([brief(1, truncation=1.0), rows[1]]).digest,
    ]
    assert len(set(digests)) == len(digests)
    halves = pa.concat_tables([tables[0].slice(0, 1), tables[0].slice(1)])
    assert make(rows, own=halves).digest == digests[0]


def test_no_reader_takes_types_from_the_names_of_folders(tmp_path: Path) -> None:
    names = ["a b", "x/y=z", "å%", None, "", "a b", "01", "2026-01-02", "true"]
    own = pa.table(
        {"market": names, "big": [True, False, True, None, True, True, None, None, True]}
    )
    made = make([brief(1)] * 9, own=own)
    made = Briefs(sort_for(made.table, ["market", "big"]), PATTERNS, FORMATS)
    parts = made.partitions(["market", "big"])
    assert [folder for *_, folder in parts] == sorted({folder for *_, folder in parts})
    assert sum(stop - start for start, stop, _ in parts) == 9
    for start, stop, folder in parts:
        (tmp_path / folder).mkdir(parents=True)
        rows = made.table.slice(start, stop - start).select(["brief_id", "market", "big"])
        pa.parquet.write_table(rows, tmp_path / folder / "part.parquet")
    read = pa.parquet.read_table(tmp_path).to_pylist()
    found = {row["brief_id"]: (row["market"], row["big"]) for row in read}
    assert found == {r["brief_id"]: (r["market"], r["big"]) for r in made.table.to_pylist()}


def test_a_value_too_long_for_a_folder_is_refused() -> None:
    made = make([brief(1)], own=pa.table({"text": ["x" * 300]}))
    with pytest.raises(SpecError, match="too long for a folder"):
        made.partitions(["text"])
