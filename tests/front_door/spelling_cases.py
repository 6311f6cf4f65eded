"""The table of sources that spell a class in several ways, or leave cells of labels without one."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tests.data.pictures import encoded, noise
from tests.front_door.folders import Case, Content, lines, parquet, pictures, tarred, zipped

_DESCRIBES = "describes other files"
_HATS = ["Hats", "Hats ", "Hats\xa0"]
_SPELLED = "class Hats is spelled in 3 ways ('Hats', 'Hats ', 'Hats\\xa0')"
_CASE = "classes 'Hats', 'hats' differ only in case and stay apart"
_NONE = "no label in the metadata"
_MISSING = ["x", "nan", "None", "null", "N/A", "#N/A", "NA", "NULL", "<NA>"]
_NFD = unicodedata.normalize("NFD", "caf\u00e9")


def _images(count: int) -> list[bytes]:
    return [encoded(noise(number)) for number in range(count)]


def _names(count: int) -> str:
    return " ".join(f"{number}.png" for number in range(count))


def _folders(name: str, folders: Sequence[str], labels: str, told: str) -> Case:
    tree = {f"{folder}/{at}.png": encoded(noise(at)) for at, folder in enumerate(folders)}
    return Case(name, tree, labels=labels, items=len(folders), told=told)


def _csv(name: str, cells: Sequence[str], labels: str, told: str, without: int = 0) -> Case:
    """A metadata.csv; the last `without` cells name no class."""
    rows = [f"{at}.png,{cell}\n" for at, cell in enumerate(cells)]
    gone = range(len(cells) - without, len(cells))
    return Case(name, pictures(_names(len(cells)))
                | {"metadata.csv": "file_name,label\n" + "".join(rows)}, labels=labels, told=told,
                rejects={f"{at}.png": _NONE for at in gone}, ignored={_DESCRIBES: 1})  # fmt: skip


def _jsonl(name: str, cells: Sequence[Any], labels: str, told: str, without: int = 0) -> Case:
    rows = [{"file_name": f"{at}.png", "label": cell} for at, cell in enumerate(cells)]
    gone = range(len(cells) - without, len(cells))
    return Case(name, pictures(_names(len(cells))) | {"metadata.jsonl": lines(*rows)},
                labels=labels, told=told, rejects={f"{at}.png": _NONE for at in gone},
                ignored={_DESCRIBES: 1})  # fmt: skip


def _table(
    name: str,
    cells: Sequence[Any],
    labels: str,
    told: str,
    rejects: Mapping[int, str] = {},
    kind: pa.DataType | None = None,
) -> Case:
    columns = {"image": _images(len(cells)), "label": pa.array(cells, kind)}
    return Case(name, {"x.parquet": parquet(columns)}, labels=labels, told=told,
                items=len(cells),
                rejects={f"x.parquet:{at:08d}": why for at, why in rejects.items()})  # fmt: skip


def _declared(*names: str, first: int = 0) -> bytes:
    """A Parquet file with a picture of each class that its ClassLabel names."""
    images = [encoded(noise(first + at)) for at in range(len(names))]
    made = pa.table({"image": images, "label": list(range(len(names)))})
    feature = {"names": names, "_type": "ClassLabel"}
    told = json.dumps({"info": {"features": {"label": feature}}})
    buffer = pa.BufferOutputStream()
    pa.parquet.write_table(made.replace_schema_metadata({"huggingface": told}), buffer)
    return bytes(buffer.getvalue())


def _shard(cells: Sequence[str]) -> bytes:
    members: dict[str, Content] = {f"{at}.cls": cell for at, cell in enumerate(cells)}
    return tarred(members | {f"{at}.png": encoded(noise(at)) for at in range(len(cells))})


def _metadata(cells: Sequence[Any], column: str = "label") -> dict[str, Content]:
    names = [f"{at}.png" for at in range(len(cells))]
    return {"metadata.parquet": parquet({"file_name": names, column: cells})}


SPELLINGS = [
    _folders("folders with blanks", _HATS, "Hats", _SPELLED),
    _folders("folders with blanks inside", ["a b", "a  b"], "a b",
             "class a b is spelled in 2 ways ('a  b', 'a b')"),
    _folders("folders in two normal forms", ["caf\u00e9", _NFD], "caf\u00e9",
             "class caf\u00e9 is spelled in 2 ways ('cafe\\u0301', 'caf\u00e9')"),
    _folders("folders that differ in case", ["Hats", "hats"], "Hats hats", _CASE),
    _folders("folders that differ in leading zeros", ["1", "01", "2"], "01 1 2",
             "classes '01', '1' differ only in leading zeros and stay apart"),
    _folders("folders of one spelling each", ["Hats", "Shoes"], "Hats Shoes",
             "2 classes (Hats, Shoes) from folders of level 1"),
    _folders("folders such as nan stay classes", ["nan", "None"], "None nan", "2 classes"),
    Case("a ZIP of folders with blanks", {"x.zip": zipped(
         {f"{name}/{at}.png": encoded(noise(at)) for at, name in enumerate(_HATS)})},
         labels="Hats", items=3, told=_SPELLED),
    Case("splits that spell a class in two ways", pictures("train/caf\u00e9/1.png")
         | {f"test/{_NFD}/3.png": encoded(noise(9))}, labels="caf\u00e9", items=2,
         test=f"test/{_NFD}/3.png", told="class caf\u00e9 is spelled in 2 ways ("),
    Case("many classes in several spellings", {f"{letter}{blank}/{at}.png":
         encoded(noise(2 * at + len(blank))) for at, letter in enumerate("abcde")
         for blank in ("", " ")}, labels="a b c d e", items=10,
         told="class c is spelled in 2 ways ('c', 'c '); 2 more classes in several ways"),
    _csv("a CSV with blanks", _HATS, "Hats", _SPELLED),
    _csv("a CSV that differs in case", ["Hats", "hats"], "Hats hats", _CASE),
    _jsonl("JSON lines with blanks", _HATS, "Hats", _SPELLED),
    Case("metadata.parquet with blanks", pictures("0.png 1.png 2.png") | _metadata(_HATS),
         labels="Hats", items=3, ignored={_DESCRIBES: 1}, told=_SPELLED),
    Case("a label file with blanks", pictures("0.png 1.png 2.png")
         | {"l.tsv": "file\tkind\n0\tHats\n1\tHats \n2\tHats\xa0\n"}, items=3,
         fields={"label_file": "l.tsv"}, labels="Hats", ignored={_DESCRIBES: 1}, told=_SPELLED),
    _table("Parquet with blanks", _HATS, "Hats", _SPELLED),
    _table("Parquet that differs in case", ["Hats", "hats"], "Hats hats", _CASE),
    _table("Parquet of categories with blanks", _HATS, "Hats", _SPELLED,
           kind=pa.dictionary(pa.int8(), pa.string())),
    Case("declared classes that differ in blanks by file", {"a.parquet": _declared("Hats", "x"),
         "b.parquet": _declared("Hats ", "Hat", first=9)}, labels="Hats x Hat", items=4,
         told="class Hats is spelled in 2 ways ('Hats', 'Hats ')"),
    Case("declared classes that differ in case", {"a.parquet": _declared("Hats", "hats")},
         labels="Hats hats", items=2, told=_CASE),
    Case("declared classes such as None", {"a.parquet": _declared("None", "nan")},
         labels="None nan", items=2),
    Case("WebDataset with blanks", {"s-000000.tar": _shard(_HATS)}, labels="Hats", items=3,
         ignored={_DESCRIBES: 3}, told=_SPELLED),
    Case("WebDataset that differs in case", {"s-000000.tar": _shard(["Hats\n", "hats"])},
         labels="Hats hats", items=2, ignored={_DESCRIBES: 2}, told=_CASE),
    Case("JSON side files with blanks", pictures("0.png 1.png 2.png")
         | {f"{at}.json": json.dumps({"label": cell}) for at, cell in enumerate(_HATS)},
         labels="Hats", items=3, ignored={_DESCRIBES: 3}, told=_SPELLED),
    _csv("a CSV of 1 and 1.0", ["1", "1.0", "2", "3."], "1 2 3",
         "class 1 is spelled in 2 ways ('1', '1.0')"),
    _csv("a CSV of 1.0 and words", ["1", "1.0", "beta"], "1 1.0 beta", "3 classes"),
    _csv("a CSV of numbers with fractions", ["1.5", "2.0", "2"], "1.5 2",
         "class 2 is spelled in 2 ways ('2', '2.0')"),
    _csv("a CSV of numbers and empty cells", ["1", "2.0", " ", ""], "1 2", "2 classes", 2),
    _csv("a CSV of cells that stand for none", _MISSING, "x",
         "read as no label: '#N/A' (1), '<NA>' (1), 'N/A' (1), 'NA' (1), 'NULL' (1) and 3 more", 8),
    _csv("a CSV of a class none", ["none", "na", "nancy"], "na nancy none", "3 classes"),
    _csv("a CSV of numbers and nan", ["1.0", "2.0", "nan"], "1 2", "read as no label: 'nan' (1)",
         1),
    _jsonl("JSON lines of 1 and 1.0", [1, 1.0, "1", None], "1", "1 class (1)", 1),
    _jsonl("JSON lines of true and false", [True, False], "false true", "2 classes"),
    _jsonl("JSON lines of NaN", ["x", float("nan"), "NaN"], "x", "read as no label: 'NaN' (1)", 2),
    Case("a CSV of numbers below 0", pictures("1.png 2.png")
         | {"metadata.csv": "file_name,label\n1.png,-1\n2.png,3\n"},
         refused="the table of labels has the label -1; labels below 0 often mean"),
    Case("a CSV of -1 and words", pictures("1.png 2.png")
         | {"metadata.csv": "file_name,label\n1.png,-1\n2.png,x\n"}, labels="-1 x", items=2,
         ignored={_DESCRIBES: 1}),
    Case("WebDataset of numbers below 0", {"s-000000.tar": _shard(["0", "-1\n"])},
         refused="the file next to 1.png has the label -1; labels below 0"),
    Case("Parquet of text below 0", {"x.parquet": parquet({"image": _images(2),
         "label": ["-1", "3"]})}, refused="x.parquet: column 'label' has the label -1; labels"),
    Case("metadata.parquet of numbers with NaN", pictures("0.png 1.png")
         | _metadata([1.0, float("nan")]), labels="1", rejects={"1.png": _NONE},
         ignored={_DESCRIBES: 1}),
    Case("metadata.parquet with a NaN split", pictures("0.png 1.png 2.png") | {"metadata.parquet":
         parquet({"file_name": ["0.png", "1.png", "2.png"], "split": [float("nan")] * 3})},
         items=3, ignored={_DESCRIBES: 1}, told="splits by column: empty cells to train on"),
    Case("metadata.csv with a split nan", pictures("0.png 1.png")
         | {"metadata.csv": "file_name,label,split\n0.png,x,train\n1.png,x,nan\n"}, labels="x",
         items=2, ignored={_DESCRIBES: 1}, told="train to train on, empty cells to train on"),
    Case("a split that is a number in Parquet", pictures("0.png 1.png") | {"metadata.parquet":
         parquet({"file_name": ["0.png", "1.png"], "split": [1.0, None]})}, items=2,
         fields={"splits": {"1": "train"}}, ignored={_DESCRIBES: 1}, told="1 to train on"),
    Case("a split that is a number, asked about", pictures("0.png")
         | {"metadata.csv": "file_name,split\n0.png,1\n"},
         refused="say --set 'splits={\"1\": train}'"),
    _folders("folders with marks that cannot be seen", ["cat", "cat\u200b", "\u202acat", "dog"],
             "cat dog", "class cat is spelled in 3 ways ('cat', 'cat\\u200b', '\\u202acat')"),
    _csv("a CSV with soft hyphens and marks", ["ca\xadt", "cat", "\u2060cat", "cat\u200e"], "cat",
         "class cat is spelled in 4 ways"),
    _table("Parquet with blanks of no width", ["cat\u200b", "cat"], "cat",
           "class cat is spelled in 2 ways ('cat', 'cat\\u200b')"),
    _folders("joiners that are seen", ["\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e"],
             "\u0645\u06cc\u062e \u0645\u06cc\u200c\u062e", "2 classes"),
    Case("a table with a column a class", pictures("0.png 1.png")
         | {"metadata.csv": "file_name,cat,dog\n0.png,1,0\n1.png,0,1\n"}, items=2,
         ignored={_DESCRIBES: 1}, told="no classes; cat, dog of the table not read: if one holds"),
    Case("a table of captions and of something else", pictures("0.png 1.png")
         | {"metadata.jsonl": lines({"file_name": "0.png", "text": "x", "breed": "pug"},
                                    {"file_name": "1.png", "text": "y", "breed": "lab"})},
         items=2, ignored={_DESCRIBES: 1}, captions={"0.png": "x"}, told="breed of the table not"),
    Case("a table of something else, without classes", pictures("0.png")
         | {"metadata.csv": "file_name,breed\n0.png,pug\n"}, fields={"label_column": ""}, items=1,
         ignored={_DESCRIBES: 1}, told="no classes"),
    _table("Parquet of text that is numbers", ["1", "1.0", "2"], "1 2",
           "class 1 is spelled in 2 ways ('1', '1.0')"),
    _table("Parquet of text that stands for none", ["x", "nan", "N/A", "N/A"], "x",
           "read as no label: 'N/A' (2), 'nan' (1)", {1: "no label: the cell says 'nan'",
           2: "no label: the cell says 'N/A'", 3: "no label"}),
    Case("WebDataset of 1 and 1.0", {"s-000000.tar": _shard(["1", "1.0", "nan"])}, labels="1",
         rejects={"2.png": _NONE}, ignored={_DESCRIBES: 3},
         told="class 1 is spelled in 2 ways ('1', '1.0'); read as no label: 'nan' (1)"),
]  # fmt: skip
