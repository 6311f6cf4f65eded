from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc.errors import SpecError
from tests.job.briefs.helpers import read_file, write_csv, write_lines
from tests.models_for_tests import tiny_config


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, delimiter: str) -> None:
    lines = [f"brief_id{delimiter} count{delimiter}name", f'1{delimiter}2{delimiter}"a\n""b"""', ""]
    (tmp_path / "b.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    briefs, rejects = read_file(tmp_path / "b.csv")
    assert not rejects
    assert briefs.table["count"].to_pylist() == [2]
    assert briefs.table["name"].to_pylist() == ['a\n"b"']


def test_blank_lines_of_csv_count_as_rows_of_a_spreadsheet_do(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("brief_id,count\na,1\n\nb,x\n\nc,1\n")
    briefs, rejects = read_file(tmp_path / "b.csv")
    assert briefs.table["brief_id"].to_pylist() == ["a", "c"]
    assert [(reject.row, reject.brief_id) for reject in rejects] == [(3, "b")]


def test_a_misquoted_csv_row_is_a_reject_but_an_open_quote_ends_it(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text('brief_id,count\na,1\n"b"x,1\nc,1\n')
    briefs, rejects = read_file(tmp_path / "b.csv")
    assert briefs.table["brief_id"].to_pylist() == ["a", "c"]
    assert rejects[0].row == 2
    assert rejects[0].reason.startswith("not CSV")
    (tmp_path / "b.csv").write_text('brief_id,count\na,1\n"b,1\nc,1\n')
    with pytest.raises(SpecError, match="quote opened in line 3 is not closed"):
        read_file(tmp_path / "b.csv")


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    rows = [
        {"count": 1, "n": 1, "x": 0.5, "flag": True, "tags": ["a"], "mixed": 1, "of": {"a": 1}},
        {"count": 2, "n": None, "x": 2, "tags": [], "mixed": "1", "nothing": {}},
    ]
    briefs, rejects = read_file(write_lines(tmp_path / "b.jsonl", rows))
    assert not rejects
    own = briefs.table.select(list(briefs.own)).to_pydict()
    assert own == {
        "n": [1, None],
        "x": [0.5, 2.0],
        "flag": [True, None],
        "tags": [["a"], []],
        "mixed": ["1", '"1"'],
        "of": [{"a": 1}, None],
        "nothing": [None, "{}"],
    }
    assert briefs.table.schema.field("n").type == pa.int64()


def test_bad_json_lines_are_rejects_by_line_number(tmp_path: Path) -> None:
    rows = ['{"count": 1}', "", "{count: 1}", "[1]", '{"count": NaN}', r'{"note": "\ud800"}']
    rows += ['{"count": true}', '{"count": 1' + ' , "deep": ' + "[" * 100_000]
    briefs, rejects = read_file(write_lines(tmp_path / "b.jsonl", rows))
    assert len(briefs.table) == 1
    assert [reject.row for reject in rejects] == [3, 4, 5, 6, 7, 8]
    reasons = [
        "not JSON",
        "expected an object",
        "NaN is not a JSON number",
        "surrogates",
        "count = True",
    ]
    for reject, reason in zip(rejects, reasons, strict=False):
        assert reason in reject.reason


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "count": pa.array([1.0, 2.0, float("nan")]),
            "label": pa.array(["one", "two", None]).dictionary_encode(),
            "day": pa.array([dt.date(2026, 5, 1)] * 3),
            "market": pa.array(["se", "no", "se"]).dictionary_encode(),
            "price": pa.array([1, 2, 3], pa.decimal128(5, 2)),
        }
    )
    pq.write_table(table, tmp_path / "b.parquet")
    briefs, _ = read_file(tmp_path / "b.parquet", count=9)
    assert briefs.table["count"].to_pylist() == [1, 2, 9]
    for name in ("day", "price"):
        assert briefs.table[name].equals(table[name])
    assert briefs.table["market"].to_pylist() == ["se", "no", "se"]
    assert briefs.table.schema.field("market").type == pa.string()


NEVER = pa.array([0, 2**31 - 1, 1], pa.int32()).cast(pa.date32())
NO_TEXT = pa.array([b"one", b"\xff", b"two"]).view(pa.string())


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *(("label", NO_TEXT), ("brief_id", NO_TEXT), ("own", NO_TEXT), ("own", NEVER)),
        ("own", NO_TEXT.dictionary_encode()),
        ("own", pa.ListArray.from_arrays([0, 1, 2, 3], NEVER)),
        ("label", NEVER.cast(pa.timestamp("s"))),
    ],
)
def test_a_value_nobody_can_read_rejects_its_row_of_parquet(
    tmp_path: Path, name: str, column: pa.Array
) -> None:
    pq.write_table(pa.table({"count": [1, 2, 3], name: column}), tmp_path / "b.parquet")
    config = tiny_config(labels=("one", "two", "1970-01-01 00:00:00", "1970-01-02 00:00:00"))
    briefs, rejects = read_file(tmp_path / "b.parquet", config)
    assert briefs.table["count"].to_pylist() == [1, 3]
    assert [reject.row for reject in rejects] == [2]
    assert rejects[0].reason.startswith(f"{name}: cannot be read (")
    assert briefs.digest


def test_parquet_labels_can_be_lists_structs_and_maps(tmp_path: Path) -> None:
    kinds = {
        "list": pa.array([["one", "two"]]),
        "struct": pa.array([{"one": 1, "two": 1, "zero": None}]),
        "map": pa.array([[("one", 1), ("two", 1)]], pa.map_(pa.string(), pa.int64())),
    }
    for name, label in kinds.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"label": label, "count": [4]}), path)
        briefs, rejects = read_file(path)
        assert not rejects
        assert [pattern.tolist() for pattern in briefs.patterns] == [[0, 1, 2, 3], [1, 2]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("b.xlsx", b"x", "not an Excel workbook"),
        ("b.csv", None, "not found"),
        ("b.csv", b"", "empty"),
        ("b.csv", b"brief_id,count\n", "holds no rows"),
        ("b.csv", "name\nJosé\n".encode("latin-1"), "not UTF-8"),
        ("b.csv", b"a,,c\n1,2,3\n", "column 2 has no name, but row 1 has '2' in it"),
        ("b.csv", b"a,a\n1,2\n", "two columns are named 'a'"),
        ("b.jsonl", b"", "holds no rows"),
        ("b.jsonl", b'{"count": 1, "name": "Jos\xe9"}', "not UTF-8"),
        ("b.parquet", b"no such thing", "not a readable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        read_file(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_briefs_can_lie_on_s3(tmp_path: Path, s3_uri: str) -> None:
    from aigc import storage

    path = write_csv(tmp_path / "b.csv", ["count"], [[1], [2]])
    storage.write_bytes(f"{s3_uri}/b.csv", path.read_bytes())
    briefs, _ = read_file(f"{s3_uri}/b.csv")
    assert briefs.digest == read_file(path)[0].digest
    with pytest.raises(SpecError, match="not found"):
        read_file(f"{s3_uri}/other.csv")
