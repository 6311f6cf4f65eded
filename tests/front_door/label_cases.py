"""The table of sources whose labels or splits are easily lost: tables without a header, keys of
WebDataset, labels in JSON, columns of splits."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.data.pictures import encoded, noise
from tests.front_door.folders import Case, Tree, lines, pictures, tarred

_DESCRIBES = "describes other files"
_DOCUMENT = "document"
_THREE = "000.png 001.png 002.png"


def _headless(name: str, text: str, file: str = "l.csv", paths: str = _THREE) -> Case:
    first = text.partition("\n")[0].replace("\t", ",").replace(";", ",").strip()
    fields = {} if file == "metadata.csv" else {"label_file": file}
    refused = f"{file}: no header, its first row is {first}; put file_name,label above the rows"
    return Case(name, pictures(paths) | {file: text}, fields=fields, refused=refused)


def _splits(name: str, column: str, told: str, test: str = "", paths: str = _THREE) -> Case:
    cells = column.split(",")
    table = "".join(f"{p},x,{c}\n" for p, c in zip(paths.split(), cells, strict=True))
    return Case(name, pictures(paths) | {"metadata.csv": "file_name,label,split\n" + table},
                labels="x", items=3, test=test, ignored={_DESCRIBES: 1}, told=told)  # fmt: skip


def _side(name: str, side: Tree, told: str, labels: str = "", folder: str = "") -> Case:
    tree = pictures(f"{folder}000.png {folder}001.png")
    return Case(name, {**tree, **side}, labels=labels, items=2, ignored={_DESCRIBES: len(side)},
                told=told)  # fmt: skip


def _json(
    name: str,
    said: list[object],
    labels: str,
    told: str,
    folder: str = "",
    fields: Mapping[str, object] = {},
) -> Case:
    """Two pictures, some with a JSON file; one without a label in it is rejected."""
    side = {f"{folder}00{number}.json": json.dumps(one) for number, one in enumerate(said)}
    named = [isinstance(one, dict) and all(map(_plain, one.values())) for one in said] + [False] * 2
    without = [f"{folder}00{number}.png" for number in range(2) if not named[number]]
    return Case(
        name,
        {**pictures(f"{folder}000.png {folder}001.png"), **side},
        labels=labels,
        fields=fields,
        ignored={_DESCRIBES: len(side)},
        told=told,
        rejects={key: "no label in the metadata" for key in without if labels},
    )


def _plain(value: object) -> bool:
    return not isinstance(value, list)


_PARTS = {"0.image.png": encoded(noise(0)), "1.image.png": encoded(noise(1))}
_UNREAD = "not read: name a table of labels as label_file"

LABELS = [
    _headless("a table without a header", "000.png,hat\n001.png,cat\n002.png,hat\n"),
    _headless("a table without a header, by tabs", "000.png\that\n001.png\tcat\n", "l.tsv"),
    _headless("a table without a header, by semicolons", "000.png;hat\n001.png;cat\n"),
    _headless("a table without a header or suffixes", "000,hat\n001,cat\n"),
    _headless("a table without a header, of another picture", "9.JPG,hat\n001.png,cat\n"),
    _headless("a table without a header, label first", "hat,000.png\ncat,001.png\n"),
    _headless("a table without a header, of paths", "p/0.png,hat\np/1.png,cat\n",
              paths="p/0.png p/1.png"),
    _headless("a table without a header, of a name of two", "1,hat\n", paths="p/1.png q/1.png"),
    _headless("metadata.csv without a header", "000.png,hat\n001.png,cat\n", "metadata.csv"),
    Case("a table with a header of one's own", pictures(_THREE)
         | {"l.csv": "id,kind\n000,x\n001,y\n002,x\n"}, fields={"label_file": "l.csv"},
         labels="x y", items=3, ignored={_DESCRIBES: 1}),
    Case("a column that is named as a picture", pictures("1.png")
         | {"metadata.csv": "file_name,label,1.png\n1.png,x,3\n"}, labels="x", items=1,
         ignored={_DESCRIBES: 1}),
    Case("a table with pandas' index", pictures("1.png 2.png")
         | {"metadata.csv": ",file_name,label\n0,1.png,x\n1,2.png,y\n"}, labels="x y", items=2,
         ignored={_DESCRIBES: 1}),
    Case("WebDataset with suffixes of two parts", {
         "s-000000.tar": tarred(_PARTS | {"0.cls": "3", "1.cls": "4"}),
         "s-000001.tar": tarred({"0.a.png": encoded(noise(2)), "0.cls": "5"})}, labels="3 4 5",
         items=3, classes={"s-000000.tar/0.image.png": "3", "s-000001.tar/0.a.png": "5"},
         ignored={_DESCRIBES: 3}),
    Case("one tar with suffixes of two parts", {"s.tar": tarred(
         _PARTS | {"0.cls": "3", "1.cls": "4", "0.txt": "a hat"})}, labels="3 4", items=2,
         captions={"0.image.png": "a hat", "1.image.png": None}, ignored={_DESCRIBES: 3}),
    Case("a tar with dots in the names", {"s.tar": tarred(
         _PARTS | {"0.image.cls": "3", "0.cls": "9", "1.cls": "4"})}, labels="3 4", items=2,
         ignored={_DESCRIBES: 2, _DOCUMENT: 1}),
    Case("a folder with suffixes of two parts", _PARTS | {"0.cls": "3"}, items=2,
         ignored={_DOCUMENT: 1}, told=f"no classes; 0.cls {_UNREAD}"),
    Case("WebDataset whose classes are of other pictures", {"s-000000.tar": tarred(
         _PARTS | {"7.cls": "3"})}, items=2, ignored={_DOCUMENT: 1},
         told=f"no classes; 7.cls {_UNREAD}"),
    Case("WebDataset with labels in JSON", {"s-000000.tar": tarred(
         _PARTS | {"0.json": '{"label": "hat"}', "1.json": '{"label": "cat"}'})}, items=2,
         labels="cat hat", ignored={_DESCRIBES: 2}, told="(cat, hat) from label of .json files"),
    Case("WebDataset with labels in JSON and a table beside it", {"s-000000.tar": tarred(
         _PARTS | {"0.json": '{"label": "hat"}'}),
         "l.csv": "file,label\n0.image.png,x\n1.image,y\n"},
         fields={"label_file": "l.csv"}, labels="x y", items=2, ignored={_DESCRIBES: 2},
         told="labels in l.csv"),
    _side("labels in JSON in a class folder", {"a/000.json": '{"label": "hat"}'},
          "label in a/000.json not read: class_level = 0 reads it", "a", "a/"),
    _json("label_name in JSON", [{"label_name": "hat", "label": 3}], "hat", "label_name of .json"),
    _json("class in JSON, of the second", [[1], {"class": 0}], "0", "class of .json files"),
    _json("cls in JSON", [{"cls": 7}, {"cls": 7.0}], "7", "1 class (7) from cls of .json files"),
    _json("labels of JSON in folders without classes", [{"label": "hat"}], "hat", "label of .json",
          fields={"class_level": 0}, folder="a/"),
    _json("labels of JSON below a wrapper", [{"label": "hat"}], "hat", "label of .json files",
          folder="images/"),
    _json("labels of JSON that are lists", [{"label": ["hat"]}, {"label": "cat"}], "cat",
          "label of .json files"),
    _json("labels of JSON in another field", [{"kind": "hat"}], "hat", "kind of .json files",
          fields={"label_column": "kind"}),
    _json("labels of JSON that are not wanted", [{"label": "hat"}], "", "no classes",
          fields={"label_column": ""}),
    Case("labels in JSON and in a table", pictures("1.png") | {"1.json": '{"label": "hat"}',
         "metadata.csv": "file_name,label\n1.png,x\n"}, labels="x", items=1,
         ignored={_DESCRIBES: 2}),
    _splits("splits by column", "train,TEST,holdout",
            "splits by column: TEST to test on, holdout to test on, train to train on",
            "001.png 002.png"),
    _splits("splits by column with an empty cell", "train,test,",
            "test to test on, train to train on, empty cells to train on", "001.png"),
    _splits("a column of splits that is empty", ", ,", "splits by column: empty cells to train on"),
    _splits("a column of splits next to folders", "train,,",
            "splits by column: train to train on, empty cells as their folders", "test/3.png",
            "train/1.png train/2.png test/3.png"),
    Case("a picture in two tables", pictures("1.png")
         | {"metadata.csv": "file_name,label\n1.png,x\n",
            "metadata.jsonl": lines({"file_name": "1.png", "label": "y"})},
         refused="source/metadata.csv, line 2; leave one out, or name the table that counts"),
    Case("a picture in two tables of which one counts", pictures("1.png")
         | {"metadata.csv": "file_name,label\n1.png,x\n",
            "metadata.jsonl": lines({"file_name": "1.png", "label": "y"})},
         fields={"label_file": "metadata.jsonl"}, labels="y", items=1,
         ignored={_DESCRIBES: 1, _DOCUMENT: 1}),
    Case("a picture twice in one table", pictures("1.png")
         | {"metadata.csv": "file_name,label\n1.png,x\n./1.png,x\n"},
         refused="metadata.csv, line 3: 1.png is listed twice, first in "),
]  # fmt: skip
