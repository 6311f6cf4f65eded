"""Tables of briefs by their cells: padding, numbers of many countries, texts of many encodings."""

from __future__ import annotations

import datetime as dt

from tests.front_door.tables import (
    MADE,
    NFD,
    PLAIN,
    Table,
    csv,
    json_lines,
    packed,
    parquet,
    workbook,
)

EMPTY = [[None, None]]

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
