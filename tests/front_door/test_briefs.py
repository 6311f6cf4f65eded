"""Tables of briefs as spreadsheets, programs and people of many countries write them."""

from __future__ import annotations

import datetime as dt
import os
import re
import unicodedata
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc.errors import AigcError, SpecError, StorageError
from aigc.generation.briefs import Reading, looks_like_briefs, read
from tests.front_door.tables import (
    Table,
    csv,
    first_labels,
    json_lines,
    packed,
    parquet,
    workbook,
)
from tests.generation.briefs.helpers import spec
from tests.models_for_tests import tiny_config

NAMES = ("zero", "one", "two", "Café", "[/sale]", "shoes [men]", "7")
CONFIG = tiny_config(labels=NAMES)
PLAIN = csv("label,count", "two,3", "one,1")
MADE = [(3, "two"), (1, "one")]
NFD = unicodedata.normalize("NFD", "Café")
EMPTY = [[None, None]]


def _zip() -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return sink.getvalue()


def _damaged() -> bytes:
    whole = workbook(("A", [["label", "count"], ["two", 3]]))()
    return whole[: len(whole) // 2]


COLUMNS = [
    Table("exact", "b.csv", PLAIN, made=MADE, own=()),
    Table(
        "a flag's name",
        "b.csv",
        csv("labels,count", "two,3", "one,1"),
        made=MADE,
        note="'labels' as label",
    ),
    Table(
        "other case", "b.csv", csv("LABEL, Count", "two,3"), made=[(3, "two")], note="'LABEL' as"
    ),
    Table(
        "spaces for underscores",
        "b.csv",
        csv("Brief ID,label,count", "x,two,3"),
        made=[(3, "two")],
        own=(),
    ),
    Table("qty", "b.csv", csv("label,qty", "two,3"), made=[(3, "two")], note="'qty' as count"),
    Table("quantity", "b.csv", csv("label,Quantity", "two,3"), made=[(3, "two")]),
    Table("custom_id", "b.csv", csv("custom_id,label,count", "a,two,3"), made=[(3, "two")]),
    Table(
        "OpenAI's format",
        "b.csv",
        csv("label,count,output_format", "two,3,webp"),
        made=[(3, "two")],
        own=(),
    ),
    *(
        Table(f"{wrong}?", "b.csv", csv(f"{wrong},note", "x,1"), {"count": 1}, refused=asked)
        for wrong, asked in {
            "lable": r"'lable': did you mean label\? .*columns.label=lable.*own_columns",
            "labell": "did you mean label",
            "labe": "did you mean label",
            "lables": "did you mean label",
            "class": "did you mean label",
            "Category": "did you mean label",
            "label_name": "did you mean label",
            "class label": "did you mean label",
            "amount": "did you mean count",
            "cuont": "did you mean count",
            "coutn": "did you mean count",
            "quanity": "did you mean count",
            "n": "did you mean count",
            "num_images": "did you mean count",
            "image count": "did you mean count",
            "Anzahl": "did you mean count",
            "sead": "did you mean seed",
            "random_seed": "did you mean seed",
            "widht": "did you mean width",
            "image_width": "did you mean width",
            "imageWidth": "did you mean width",
            "width (px)": "did you mean width",
            "heigth": "did you mean height",
            "hight": "did you mean height",
            "size": "did you mean width and height",
            "format": "did you mean codec",
            "qualty": "did you mean quality",
            "truncaton": "did you mean truncation",
            "psi": "did you mean truncation",
            "promt": "did you mean prompt",
            "id": "did you mean brief_id",
            "colour": "colour is a setting of the whole job",
            "color": "colour is a setting of the whole job",
            "writer": "writer is a setting of the whole job",
            "max-rejects": "max_rejects is a setting of the whole job",
            "workers": "setting of the whole job",
            "model": "has the name of an output column",
        }.items()
    ),
    Table(
        "a question answered",
        "b.csv",
        csv("label,count,colour,size", "two,3,red,M"),
        {"own_columns": ["colour", "size"]},
        made=[(3, "two")],
        own=("colour", "size"),
    ),
    Table(
        "an answer about nothing",
        "b.csv",
        PLAIN,
        {"own_columns": ["colour"]},
        refused="own_columns = colour: .* no such column",
    ),
    Table(
        "own columns are listed",
        "b.csv",
        csv("label,count,sku,season,code,weight,country", "two,3,1,2,3,4,5"),
        made=[(3, "two")],
        own=("sku", "season", "code", "weight", "country"),
        note="of your own.*without effect.*sku, season, code, weight, country",
    ),
    Table(
        "two for one field",
        "b.csv",
        csv("label,labels,count", "two,one,3"),
        refused="columns 'label' and 'labels' are both like label",
    ),
    Table(
        "two cases of a field",
        "b.csv",
        csv("Label,LABELS,count", "two,one,3"),
        refused="both like label",
    ),
    Table(
        "mapped by the spec",
        "b.csv",
        csv("product,pieces", "two,3"),
        {"columns": {"label": "product", "count": "pieces"}},
        made=[(3, "two")],
        own=(),
    ),
    Table("no header", "b.csv", csv("two,3", "one,1"), {"count": 1}, refused="put a header above"),
    Table(
        "no field",
        "b.csv",
        csv("sku,season", "1,2"),
        {"count": 1},
        refused="has none of the columns brief_id, label",
    ),
    Table(
        "no field, as said",
        "b.csv",
        csv("sku", "1"),
        {"count": 1, "own_columns": ["sku"]},
        made=[(1, "zero")],
    ),
    Table(
        "another delimiter",
        "b.csv",
        csv("label|count", "two|3"),
        {"count": 1},
        refused=r"has none of the columns .*label\|count",
    ),
    Table("JSON keys", "b.jsonl", json_lines({"lable": "two"}), {"count": 1}, refused="did you"),
    Table(
        "Parquet columns",
        "b.parquet",
        parquet({"labels": ["two"], "count": [3]}),
        made=[(3, "two")],
    ),
    Table("a title above", "b.csv", csv("Spring 2026,,", "label,count,", "two,3,"), refused="has"),
    Table(
        "a key twice",
        "b.jsonl",
        json_lines('{"count": 1, "count": 5}', {"count": 2}),
        rejects={1: "'count' is there twice"},
        made=[(2, "zero")],
    ),
]

PROMPTS = [
    Table(
        "a prompt",
        "b.csv",
        csv("prompt,count", "a two on snow,3"),
        made=[(3, "two")],
        own=("prompt",),
    ),
    Table(
        "a prompt in German letters",
        "b.csv",
        csv("prompt,count", f"im {NFD},3"),
        made=[(3, "Café")],
    ),
    Table(
        "a prompt that names none",
        "b.csv",
        csv("prompt,count", "a car,3", "one,1"),
        made=[(1, "one")],
        rejects={1: "prompt = 'a car': names none"},
    ),
    Table(
        "a label wins over the prompt",
        "b.csv",
        csv("label,prompt,count", "one,two,3", ",two,1"),
        made=[(3, "one"), (1, "two")],
    ),
    Table(
        "a prompt of another name",
        "b.csv",
        csv("text,count", "two,3"),
        {"columns": {"prompt": "text"}},
        made=[(3, "two")],
        own=("text",),
    ),
    Table(
        "prompts in JSON", "b.jsonl", json_lines({"prompt": "twos", "count": 3}), made=[(3, "two")]
    ),
    Table(
        "a prompt that is no text",
        "b.jsonl",
        json_lines({"prompt": 5, "count": 3}, {"count": 1}),
        made=[(1, "zero")],
        rejects={1: "prompt = 5: expected text"},
    ),
]

PADDING = [
    Table(
        "500 rows of commas",
        "b.csv",
        PLAIN + b",\n" * 500,
        made=MADE,
        blank=500,
        note="500 rows without content are ignored",
    ),
    Table(
        "spaces and no-break spaces",
        "b.csv",
        PLAIN + " ,\u00a0\n\u200b,\n".encode(),
        made=MADE,
        blank=2,
    ),
    Table(
        "rows between",
        "b.csv",
        csv("label,count", ",", "two,3", "", "one,x"),
        made=[(3, "two")],
        blank=2,
        rejects={4: "count = 'x'"},
    ),
    Table(
        "padding columns", "b.csv", csv("label,count,,", "two,3,,", "one,1,,"), made=MADE, own=()
    ),
    Table("longer rows", "b.csv", csv("label,count", "two,3,,,", "one,1"), made=MADE),
    Table(
        "a column without a name",
        "b.csv",
        csv("label,,count", "two,,3", "one,x,1"),
        refused="column 2 has no name, but row 2 has 'x' in it",
    ),
    Table("padding above the header", "b.csv", b",,\n\n" + PLAIN, made=MADE),
    Table("quoted nothing", "b.csv", PLAIN + b'"",""\n', made=MADE, blank=1),
    Table("tabs", "b.tsv", csv("label\tcount", "two\t3", "\t", "\t"), made=[(3, "two")], blank=2),
    Table(
        "empty objects",
        "b.jsonl",
        json_lines({"label": "two", "count": 3}, {}, {"label": None, "count": ""}),
        made=[(3, "two")],
        blank=2,
    ),
    Table(
        "null rows",
        "b.parquet",
        parquet({"label": ["two", None, " "], "count": [3.0, None, float("nan")]}),
        made=[(3, "two")],
        blank=2,
    ),
    Table(
        "empty cells",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", 3], *EMPTY * 200, ["one", 1], [" ", None]])),
        made=MADE,
        blank=201,
    ),
    Table(
        "padding without end",
        "b.csv.gz",
        lambda: packed(PLAIN + b",\n" * (2**21 + 9)),
        refused="more than 2,097,152 rows without content; delete them",
    ),
    Table("nothing but padding", "b.csv", b"label,count\n" + b",\n" * 9, refused="holds no rows"),
]

NUMBERS = [
    Table(
        "thousands or one",
        "b.csv",
        csv("label;count", "two;1.000", "one;1"),
        made=[(1, "one")],
        rejects={1: r"count = '1\.000': expected a whole number.*1 or 1000"},
    ),
    Table(
        "thousands or one, with commas",
        "b.csv",
        csv("label,count", 'two,"1,000"', "one,1"),
        made=[(1, "one")],
        rejects={1: r"count = '1,000'.*1 or 1000"},
    ),
    Table(
        "millions",
        "b.csv",
        csv("label;count", "two;1.000.000", "one;1"),
        made=[(1, "one")],
        rejects={1: "write 1000000"},
    ),
    Table(
        "Swiss thousands",
        "b.csv",
        csv("label;count", "two;1'000", "one;1"),
        made=[(1, "one")],
        rejects={1: "without separators: 1000"},
    ),
    Table(
        "French thousands",
        "b.csv",
        csv("label;count", "two;1\u202f000", "one;1"),
        made=[(1, "one")],
        rejects={1: "without separators: 1000"},
    ),
    Table(
        "in JSON as text",
        "b.jsonl",
        json_lines({"count": "1.000"}, {"count": "1"}),
        made=[(1, "zero")],
        rejects={1: "1 or 1000"},
    ),
    Table(
        "in a workbook as text",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", "2.500"], ["one", 1]])),
        made=[(1, "one")],
        rejects={1: "2.5 or 2500"},
    ),
    Table(
        "a decimal comma",
        "b.csv",
        csv("label;count;truncation", "two;3,0;0,7", "one;1;0.7"),
        made=MADE,
    ),
    Table(
        "a comma in a file of commas",
        "b.csv",
        csv("label,count,truncation", 'two,3,"0,7"', "one,1,0.7"),
        made=[(1, "one")],
        rejects={1: "truncation = '0,7'.*write the decimal with a point"},
    ),
    Table(
        "a real that may be thousands",
        "b.csv",
        csv("label;count;truncation", "two;3;1.500", "one;1;0.700"),
        made=[(1, "one")],
        rejects={1: "1.5 or 1500"},
    ),
    Table(
        "the same where commas divide",
        "b.csv",
        csv("label,count,truncation", "two,3,1.500", "one,1,0.700"),
        made=MADE,
    ),
    Table(
        "shares",
        "b.csv",
        csv("label;count", "two:1,5|one:0,5;4", "one:1.500|two:1;5", "one;1"),
        made=[(4, "two"), (1, "one")],
        rejects={2: "expected labels like"},
    ),
    Table(
        "an exponent",
        "b.csv",
        csv("label,count,seed", "two,3,1.2E+16", "one,1,5"),
        made=[(1, "one")],
        rejects={1: "seed = '1.2E.16'"},
    ),
    Table(
        "underscores",
        "b.csv",
        csv("label,count,truncation", "two,3,1_0", "one,1_0,1", "one,1,1"),
        made=[(1, "one")],
        rejects={1: "truncation = '1_0'", 2: "count = '1_0'"},
    ),
    Table(
        "digits of another script",
        "b.csv",
        csv("label,count", "two,٣", "one,1"),
        made=[(1, "one")],
        rejects={1: "count = '٣'"},
    ),
    Table(
        "whole reals",
        "b.parquet",
        parquet({"label": [7.0, None], "count": [3.0, 1.0]}),
        made=[(3, "7"), (1, "zero")],
    ),
    Table(
        "a date",
        "b.xlsx",
        workbook(
            (
                "A",
                [["label", "count"], ["two", dt.date(2026, 5, 1)], ["one", 1]],
            )
        ),
        made=[(1, "one")],
        rejects={1: "count = .*2026"},
    ),
]

TEXTS = [
    Table(
        "NFD where the model has NFC", "b.csv", csv("label,count", f"{NFD},3"), made=[(3, "Café")]
    ),
    Table("NFC, other case", "b.csv", csv("label,count", "CAFÉ,3"), made=[(3, "Café")]),
    Table("NFD in shares", "b.csv", csv("label,count", f"{NFD}:3|one:1,4"), made=[(4, "Café")]),
    Table(
        "NFD header",
        "b.csv",
        csv(f"{NFD},count", "two,3"),
        {"columns": {"label": "Café"}},
        made=[(3, "two")],
    ),
    Table(
        "ids in two spellings",
        "b.csv",
        csv("brief_id,count", "é,1", "e\u0301,1"),
        made=[(1, "zero")],
        rejects={2: "row 1 has it already"},
    ),
    Table("a mark", "b.csv", b"\xef\xbb\xbf" + PLAIN, made=MADE),
    Table("two marks", "b.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + PLAIN, made=MADE),
    Table(
        "UTF-16, little end",
        "b.csv",
        csv("label,count", f"{NFD},3", encoding="utf-16"),
        made=[(3, "Café")],
    ),
    Table(
        "UTF-16, big end",
        "b.tsv",
        b"\xfe\xff" + csv("label\tcount", "two\t3", encoding="utf-16-be"),
        made=[(3, "two")],
    ),
    Table("UTF-32", "b.csv", csv("label,count", "two,3", encoding="utf-32"), made=[(3, "two")]),
    Table(
        "UTF-16 without a mark",
        "b.csv",
        csv("label,count", "two,3", encoding="utf-16-le"),
        refused="not UTF-8 text: .*UTF-16 without",
    ),
    Table(
        "UTF-16 of JSON",
        "b.jsonl",
        '{"label": "two", "count": 3}\n'.encode("utf-16"),
        made=[(3, "two")],
    ),
    Table(
        "Latin-1", "b.csv", csv("label,count", "Café,3", encoding="latin-1"), refused="not UTF-8"
    ),
    Table(
        "a marked JSON line",
        "b.jsonl",
        b"\xef\xbb\xbf" + json_lines({"label": "two", "count": 3}),
        made=[(3, "two")],
    ),
    Table("old Macintosh", "b.csv", csv("label,count", "two,3", "one,1", end="\r"), made=MADE),
    Table("DOS", "b.csv", csv("label,count", "two,3", "one,1", end="\r\n"), made=MADE),
    Table(
        "markup",
        "b.csv",
        csv("label,count", "[/sale],3", "shoes [men],1"),
        made=[(3, "[/sale]"), (1, "shoes [men]")],
    ),
]

KINDS = [
    Table("sep=;", "b.csv", csv("sep=;", "label;count", "two;3"), made=[(3, "two")]),
    Table("sep=,", "b.csv", csv('"sep=,"', "label,count", "two,3"), made=[(3, "two")]),
    Table(
        "SEP=| after a mark",
        "b.csv",
        b"\xef\xbb\xbf" + csv("SEP=|", "label|count", "two|3"),
        made=[(3, "two")],
    ),
    Table("sep= and a tab", "b.csv", csv("sep=\t", "label\tcount", "two\t3"), made=[(3, "two")]),
    Table(
        "commas in a quoted header",
        "b.csv",
        csv('"a, b, c";label;count', "1;two;3"),
        made=[(3, "two")],
        own=("a, b, c",),
    ),
    Table("compressed", "b.csv.gz", packed(PLAIN), made=MADE),
    Table("compressed TSV", "b.tsv.gz", packed(csv("label\tcount", "two\t3")), made=[(3, "two")]),
    Table(
        "compressed JSON",
        "b.jsonl.gz",
        packed(json_lines({"label": "two", "count": 3})),
        made=[(3, "two")],
    ),
    Table("compressed without saying so", "b.csv", packed(PLAIN), made=MADE),
    Table("not compressed though it says so", "b.csv.gz", PLAIN, made=MADE),
    Table("compressed and cut", "b.csv.gz", packed(PLAIN * 50)[:-12], refused="cut off or damaged"),
    Table(
        "compressed and damaged",
        "b.csv.gz",
        packed(PLAIN)[:-6] + b"damage",
        refused="cut off or damaged",
    ),
    Table(
        "a line without end",
        "b.csv.gz",
        lambda: packed(b"x" * (2**24 + 9)),
        refused="line 1 has more than 16,777,216 characters",
    ),
    Table(
        "a workbook",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", 3], ["one", 1]])),
        made=MADE,
    ),
    Table(
        "its first sheet",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", 3]]), ("B", [["label"], ["one"]])),
        made=[(3, "two")],
        note="sheet 'A' of 'A', 'B' is read",
    ),
    Table(
        "a hidden first sheet",
        "b.xlsx",
        workbook(("A", [["x"]]), ("B", [["label", "count"], ["two", 3]]), hidden=("A",)),
        made=[(3, "two")],
        note="sheet 'B'",
    ),
    Table(
        "a named sheet",
        "b.xlsx",
        workbook(("A", [["x"]]), ("B", [["label", "count"], ["two", 3]])),
        {"briefs_sheet": "B"},
        made=[(3, "two")],
    ),
    Table(
        "no such sheet",
        "b.xlsx",
        workbook(("A", [["label"]])),
        {"briefs_sheet": "C"},
        refused="briefs_sheet = C: .* no such sheet; it has: 'A'",
    ),
    Table(
        "a sheet of a CSV",
        "b.csv",
        PLAIN,
        {"briefs_sheet": "A"},
        refused="only Excel workbooks have sheets",
    ),
    Table(
        "numbers and texts of a workbook",
        "b.xlsx",
        workbook(("A", [["label", "count", "sku"], [7, 3.0, "007"], ["two", "1", 8]])),
        made=[(3, "7"), (1, "two")],
        own=("sku",),
    ),
    Table(
        "an error in a cell",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["#REF!", 3], ["two", 1]])),
        made=[(1, "two")],
        rejects={1: "label: the cell has #REF!"},
    ),
    Table(
        "a formula nobody has computed",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", "=1+2"], ["one", 1]])),
        made=[(1, "one")],
        rejects={1: "count: the cell has a formula without a stored value"},
    ),
    Table("an empty sheet", "b.xlsx", workbook(("A", [])), refused="empty; expected a header"),
    Table("a damaged workbook", "b.xlsx", _damaged, refused="not a readable Excel"),
    Table("a ZIP that is no workbook", "b.xlsx", _zip, refused="not a readable Excel"),
    Table(
        "a workbook called CSV",
        "b.csv",
        workbook(("A", [["label"]])),
        refused="by its content a ZIP file, as Excel workbooks.*not CSV",
    ),
    Table(
        "an old workbook called XLSX",
        "b.xlsx",
        b"\xd0\xcf\x11\xe0" + b"x" * 99,
        refused="by its content an old Excel workbook",
    ),
    Table(
        "Parquet called CSV", "b.csv", parquet({"count": [1]}), refused="by its content a Parquet"
    ),
    Table("a web page called CSV", "b.csv", b"\n<!DOCTYPE html><html>", refused="a web page"),
    Table("a picture called CSV", "b.csv", b"\x89PNG\r\n\x1a\n" + b"x" * 99, refused="a picture"),
    Table("CSV called Parquet", "b.parquet", PLAIN, refused="not a readable Parquet"),
    Table("Parquet without rows", "b.parquet", parquet({"count": []}), refused="holds no rows"),
    *(
        Table(f"named {name}", name, b"x", refused=what)
        for name, what in {
            "b.txt": "a text file; if it holds a table, rename it",
            "b.json": "a JSON file; write JSON Lines",
            "b.xls": "an old Excel workbook; save it as",
            "b.ods": "an OpenDocument spreadsheet",
            "b.zip": "a ZIP archive; unpack it",
            "b.csv.zip": "a ZIP archive; unpack it",
            "b.csv.bz2": "compressed by bzip2",
            "b.xlsx.gz": "compressed by gzip; name it",
            "b.yaml": "a YAML file; a spec is given with --spec",
            "b.docx": "a Word document",
            "b": "expected a file named .csv",
        }.items()
    ),
]


def reading(table: Table, folder: Path) -> Reading:
    path = folder / table.name
    path.write_bytes(table.bytes())
    return read(spec(path, **table.options), CONFIG)


TABLES = [*COLUMNS, *PROMPTS, *PADDING, *NUMBERS, *TEXTS, *KINDS]


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
