"""Tables of briefs with rows that are no briefs: comments and totals."""

from __future__ import annotations

from tests.front_door.tables import Table, csv, json_lines, parquet, workbook

HEAD = "brief_id,label,count"
ROWS = ("a,two,3", "b,one,1")
MADE = [(3, "two"), (1, "one")]
COMMENT = "begins with #, as a comment does; remove the row"
TOTAL = "looks like a row of totals: remove it, or name its label"
SUM = "its count is the sum of those above, and it has no label"
MANY = {"max_rejects": 9}


def _rows(id: str, *lines: str, rejects: dict[int, str], head: str = HEAD) -> Table:
    return Table(id, "b.csv", csv(head, *lines), MANY, made=MADE, rejects=rejects)


_HEADER = r"row 1 is a title \('Spring'\), row {} looks like the header \({}\); delete the rows"
_NAMES = ["brief_id", "label", "count"]

TITLES = [
    Table("a title above the header", "b.xlsx",
          workbook(("A", [["Spring", None], _NAMES, ["a", "two", 3]])),
          refused=_HEADER.format(2, "brief_id, label, count")),
    Table("a title and a blank above the header", "b.xlsx",
          workbook(("A", [["Spring"], [], ["by me"], _NAMES, ["a", "two", 3]])),
          refused=_HEADER.format(4, "brief_id, label, count")),
    Table("a title above the header of a CSV", "b.csv",
          csv("Spring,,", "brief_id,label,count", "a,two,3"),
          refused=_HEADER.format(2, "brief_id, label, count")),
    Table("a title of one cell above the header of a CSV", "b.csv",
          csv("Spring", "Label,Count", "two,3"), refused=_HEADER.format(2, "label, count")),
    Table("a first sheet with a header alone", "b.xlsx",
          workbook(("A", [_NAMES]), ("B", [_NAMES, ["a", "two", 3]]), ("C", [["x"]])),
          refused="sheet 'A' has a header and no rows; for another: .*content is in: 'B'$"),
    Table("a header alone", "b.xlsx", workbook(("A", [_NAMES])), refused="holds no rows"),
    Table("a cell that is named as a field", "b.csv", csv("who,n", "label,1", "count,2"),
          {"columns": {"brief_id": "who", "count": "n"}}, made=[(1, "zero"), (2, "zero")]),
    Table("the briefs of a finished job", "_briefs.parquet", parquet(
        {"brief_id": ["a"], "items": [3], "seed": [1], "first_index": [0], "label_pattern": [0],
         "codec": ["png"]}), refused="the briefs of a job as they were understood"),
]  # fmt: skip

ROWS_OF_NONE = [
    _rows("a comment", "# spring", *ROWS, rejects={1: COMMENT}),
    _rows("a comment with commas", *ROWS, "#,x,", rejects={3: COMMENT}),
    _rows("a comment with more commas", *ROWS, "# one, two, three, four", rejects={3: COMMENT}),
    _rows("a brief commented out", "#x2,two,9", *ROWS, rejects={1: COMMENT}),
    _rows("a name of a comment alone", *ROWS, "#x2,,", rejects={3: COMMENT}),
    _rows("a comment after a blank", *ROWS, " #x2,two,3", rejects={3: COMMENT}),
    _rows("a row of totals", *ROWS, "Total,,4", rejects={3: TOTAL}),
    _rows("a row of other totals", *ROWS, "Total:,,2", rejects={3: TOTAL}),
    _rows("a grand total", *ROWS, "GRAND TOTAL,,4", rejects={3: TOTAL}),
    _rows("a total in German", *ROWS, "Summe,,4", rejects={3: TOTAL}),
    _rows("a total in Japanese", *ROWS, "合計,,4", rejects={3: TOTAL}),
    _rows("totals between", "a,two,3", "Subtotal,,3", "b,one,1", rejects={2: TOTAL}),
    _rows("a sum without a name", *ROWS, ",,4", rejects={3: SUM}),
    _rows("a sum under another name", *ROWS, "alles,,4", rejects={3: SUM}),
    _rows("a total in a column of one's own", *ROWS, "Total,,4", rejects={3: TOTAL},
          head="campaign,label,count"),
    Table("a total among prompts", "b.csv", csv("campaign,prompt,count", "x,two,3", "Total,,3"),
          MANY, made=[(3, "two")], rejects={2: TOTAL}),
    Table("a total without labels", "b.csv", csv("brief_id,count", "a,3", "Total,3"), MANY,
          made=[(3, "zero")], rejects={2: TOTAL}),
    Table("a total of a workbook", "b.xlsx",
          workbook(("A", [["brief_id", "label", "count"], ["a", "two", 3], ["Total", None, 3]])),
          MANY, made=[(3, "two")], rejects={2: TOTAL}),
    Table("a total of Parquet", "b.parquet",
          parquet({"brief_id": ["a", "Total"], "label": ["two", None], "count": [3.0, 3.0]}),
          MANY, made=[(3, "two")], rejects={2: TOTAL}),
    Table("a total of JSON Lines", "b.jsonl",
          json_lines({"brief_id": "a", "label": "two", "count": 3},
                     {"brief_id": "total", "count": 3}), MANY, made=[(3, "two")],
          rejects={2: TOTAL}),
    Table("a total stops a small table", "b.csv", csv(HEAD, *ROWS, "Total,,4"),
          {"max_rejects": 0.05}, refused=f"1 of 3 rows are rejected.*row 3: 'Total' {TOTAL}"),
    Table("names that all begin with #", "b.csv", csv(HEAD, "#1,two,3", "#2,one,1"), made=MADE),
    Table("colours in a column of one's own", "b.csv",
          csv("backdrop,label,count", "#FFF,two,3", "white,one,1"), made=MADE),
    Table("a brief named total, with a label", "b.csv", csv(HEAD, "a,two,3", "Total,one,1"),
          made=MADE),
    Table("counts that add up without labels", "b.csv",
          csv("brief_id,count", "a,1", "b,2", "c,3"), made=[(1, "zero"), (2, "zero"), (3, "zero")]),
    Table("a row without a label among others", "b.csv", csv(HEAD, *ROWS, "c,,5"),
          made=[*MADE, (5, "zero")], note="1 row names no label, others do; made of every label"),
    Table("rows without a label, which the spec has", "b.csv", csv(HEAD, *ROWS, "c,,5", "d,,7"),
          {"labels": ["one"]}, made=[*MADE, (5, "one"), (7, "one")],
          note="2 rows name no label, others do; made of those of the spec"),
]  # fmt: skip
