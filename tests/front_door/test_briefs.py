"""Tables of briefs as spreadsheets, programs and people of many countries write them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc.errors import AigcError, SpecError, StorageError
from aigc.job.briefs import Reading, looks_like_briefs, read
from aigc.specs import GenerateSpec, build
from tests.front_door.brief_columns import COLUMNS, PROMPTS, SEVERAL
from tests.front_door.brief_files import KINDS
from tests.front_door.brief_rows import ROWS_OF_NONE, TITLES
from tests.front_door.brief_values import NUMBERS, PADDING, TEXTS
from tests.front_door.tables import (
    NFD,
    Table,
    csv,
    first_labels,
)
from tests.job.briefs.helpers import spec
from tests.models_for_tests import tiny_config

NAMES = ("zero", "one", "two", "Café", "[/sale]", "shoes [men]", "7")
CONFIG = tiny_config(labels=NAMES)


def reading(table: Table, folder: Path) -> Reading:
    path = folder / table.name
    path.write_bytes(table.bytes())
    return read(spec(path, **table.options), CONFIG)


TABLES = [*COLUMNS, *SEVERAL, *PROMPTS, *PADDING, *NUMBERS, *TEXTS, *KINDS, *ROWS_OF_NONE, *TITLES]


@pytest.mark.parametrize("table", TABLES, ids=[table.id for table in TABLES])
def test_a_table(table: Table, tmp_path: Path) -> None:
    if table.refused is not None:
        with pytest.raises(AigcError, match=table.refused) as caught:
            reading(table, tmp_path)
        assert "\n" not in str(caught.value)
        assert table.name in str(caught.value)
        return
    found = reading(table, tmp_path)
    assert {reject.row for reject in found.rejects} == {*table.rejects}
    for reject in found.rejects:
        assert re.search(table.rejects[reject.row], reject.reason), reject.reason
    assert first_labels(found, NAMES) == table.made
    assert found.blank == table.blank
    if table.own is not None:
        assert found.briefs.own == table.own
    if table.note is not None:
        assert any(re.search(table.note, note) for note in found.notes), found.notes


def test_hidden_rows_are_said(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["label", "count"], ["two", 3], ["one", 1]):
        book.active.append(row)
    book.active.row_dimensions[3].hidden = True
    book.save(tmp_path / "b.xlsx")
    found = read(spec(tmp_path / "b.xlsx"), CONFIG)
    assert len(found.briefs.table) == 2
    assert "1 hidden rows of sheet 'Sheet' are read, too" in found.notes[0]


def test_without_openpyxl_the_way_to_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(SpecError, match=r"need openpyxl: pip install 'aigc\[xlsx\]', or save"):
        read(spec(tmp_path / "b.xlsx"), CONFIG)


def test_own_texts_are_normalised(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(csv("count,campaign", "1,Café", f"1,{NFD}"))
    found = read(spec(path, partition_by=["campaign"]), CONFIG)
    assert len(found.briefs.partitions(["campaign"])) == 1


def test_the_same_brief_makes_the_same_in_either_spelling(tmp_path: Path) -> None:
    seeds = []
    for name in ("Café", NFD):
        (tmp_path / "b.csv").write_bytes(csv("brief_id,count", f"{name},1"))
        seeds += read(spec(tmp_path / "b.csv"), CONFIG).briefs.table["seed"].to_pylist()
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize("name", ["b.csv", "b.jsonl", "b.parquet", "b.xlsx", "b.csv.gz"])
def test_what_is_no_file_is_never_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(StorageError, match="a FIFO, socket or device"):
        read(spec(tmp_path / name), CONFIG)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).mkdir()
    with pytest.raises(AigcError, match=r"folder/b\."):
        read(spec(tmp_path / "folder" / name), CONFIG)
    with pytest.raises(SpecError, match="not found"):
        read(spec(tmp_path / "nowhere" / name), CONFIG)


@pytest.mark.parametrize(
    ("what", "right"),
    [
        *((f"x{suffix}", True) for suffix in (".csv", ".CSV", ".csv.gz", ".xlsx", ".txt", ".xls")),
        *((name, False) for name in ("fashion", "fashion@v1", "s3://b/models/tiny/v1", "a.b")),
    ],
)
def test_a_file_is_told_from_a_model(what: str, right: bool) -> None:
    assert looks_like_briefs(what) is right


def test_what_is_there_is_no_name_of_a_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "orders").write_text("x")
    assert looks_like_briefs(str(tmp_path / "pipe"))
    assert looks_like_briefs(str(tmp_path / "orders"))
    assert not looks_like_briefs(str(tmp_path))


@pytest.mark.parametrize(
    "option",
    [
        {"own_columns": ["x"]},
        {"columns": {"label": "x"}},
        {"briefs_sheet": "A"},
        {"partition_by": ["x"]},
    ],
)
def test_options_of_briefs_need_briefs(option: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=f"{next(iter(option))} needs briefs"):
        build(GenerateSpec, {"model": "m", "out": "o", "count": 1} | option)


CELLS = st.sampled_from(["", " ", "two", "3", "1.000", "x", "one|two", "-1", "7", "\u00a0"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.sampled_from(",;\t"))
def test_each_row_is_a_brief_a_reject_or_blank(tmp_path: Path, rows, delimiter: str) -> None:
    lines = [delimiter.join(row) for row in [("brief_id", "label", "count"), *rows]]
    path = tmp_path / "b.csv"
    path.write_bytes(csv(*lines))
    blank = sum(not any(cell.strip() for cell in row) for row in rows)
    try:
        found = read(spec(path, max_rejects=99), CONFIG)
    except SpecError as error:
        assert re.search(r"none of \d+ rows is good|holds no rows", str(error))
        return
    assert found.blank == blank
    assert len(found.briefs.table) + len(found.rejects) + found.blank == len(rows)
    assert len({reject.row for reject in found.rejects}) == len(found.rejects)
