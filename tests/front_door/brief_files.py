"""Files of briefs by their kind: compressed ones, workbooks, and files that are something else."""

from __future__ import annotations

import zipfile
from io import BytesIO

from tests.front_door.tables import (
    MADE,
    PLAIN,
    Table,
    csv,
    json_lines,
    packed,
    parquet,
    workbook,
)


def _zip() -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return sink.getvalue()


def _damaged() -> bytes:
    whole = workbook(("A", [["label", "count"], ["two", 3]]))()
    return whole[: len(whole) // 2]


_ARRAY = r"begins with \[, as a JSON array; write JSON Lines: one object a line, without brackets"
KINDS = [
    Table(
        "a JSON array", "b.jsonl", b'[\n{"label": "two"},\n{"label": "one"}\n]\n', refused=_ARRAY
    ),
    Table("a JSON array on one line", "b.ndjson", b'\n [{"label": "two"}]', refused=_ARRAY),
    Table("a JSON array after a mark", "b.jsonl", b'\xef\xbb\xbf[{"label": 1}]', refused=_ARRAY),
    Table(
        "a JSON array of requests",
        "b.jsonl",
        b'[{"custom_id": "a", "body": {"prompt": "two"}}]',
        refused=_ARRAY,
    ),
    Table(
        "a JSON object of many lines",
        "b.jsonl",
        b'{\n "label": "two"\n}\n',
        refused="begins with {, as a JSON object of several lines; write JSON Lines",
    ),
    Table(
        "shares in per cent",
        "b.csv",
        csv("label,count", "two:30%|one:70%,3", "one,1"),
        {"max_rejects": 9},
        made=[(1, "one")],
        rejects={1: "shares above 0; leave the % out"},
    ),
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
    Table(
        "cells merged over rows",
        "b.xlsx",
        workbook(("A", [["label", "count"], ["two", 3], ["one", 1]]), merged="A2:A3"),
        refused="cells A2:A3 are merged over several rows; unmerge them",
    ),
    Table(
        "cells merged in a row",
        "b.xlsx",
        workbook(
            ("A", [["label", "count", "note", "more"], ["two", 3, "x"], ["one", 1]]),
            merged="C2:D2",
        ),
        made=MADE,
    ),
    Table(
        "an empty sheet",
        "b.xlsx",
        workbook(("A", [])),
        refused="sheet 'A' is empty; expected a header",
    ),
    Table(
        "an empty first sheet",
        "b.xlsx",
        workbook(("A", []), ("B", [["label"], ["two"]]), ("C", []), ("D", [["x"]])),
        refused="sheet 'A' is empty; for another: --set briefs_sheet=NAME; .* in: 'B', 'D'$",
    ),
    Table(
        "a first sheet of blanks",
        "b.xlsx",
        workbook(("A", [[" "], [None]]), ("B", [["label"], ["two"]])),
        refused="sheet 'A' is empty; .*'B'",
    ),
    Table(
        "an empty sheet by name",
        "b.xlsx",
        workbook(("A", [["label"], ["two"]]), ("B", [])),
        {"briefs_sheet": "B"},
        refused="sheet 'B' is empty; .*'A'",
    ),
    Table("a damaged workbook", "b.xlsx", _damaged, refused="not a readable Excel.*cut off"),
    *(
        Table(title, "b.xlsx", data, refused=rf"not an Excel workbook \(.xlsx\){what}")
        for title, data, what in (
            ("CSV called a workbook", PLAIN, ", but text; .*rename it to .csv or .tsv"),
            ("JSON called a workbook", json_lines({"label": "two"}), ", but .*JSON Lines"),
            ("nothing called a workbook", b"", ": it is empty"),
            ("noise called a workbook", b"\x01\xfe\xff" * 99, "; save the sheet as"),
            ("bytes called a workbook", b"\x01\x00" * 99, "; save the sheet as"),
        )
    ),
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
