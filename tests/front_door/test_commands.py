"""`aigc generate` with files that people name, from the command line to the files it makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Aigc
from tests.commands.conftest import aigc as aigc  # noqa: PLC0414
from tests.front_door.tables import csv, json_lines, workbook
from tests.models_for_tests import publish_tiny

REFUSED = {
    "x.txt": "a text file; if it holds a table, rename it to .csv or .tsv",
    "x.xls": "an old Excel workbook; save it as .xlsx or .csv",
    "x.json": "a JSON file; write JSON Lines",
    "x.zip": "a ZIP archive; unpack it",
    "x.yaml": "a YAML file; a spec is given with --spec",
    "orders": "expected a file named .csv",
    "x.csv": "did you mean label?",
    "x.xlsx": "by its content an old Excel workbook (.xls), or one with a password",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=[*REFUSED])
def test_a_file_is_named_as_what_it_is(aigc: Aigc, name: str, reason: str) -> None:
    publish_tiny("tiny-front")
    data = b"\xd0\xcf\x11\xe0" if name == "x.xlsx" else csv("lable,count", "one,2")
    Path(name).write_bytes(data)
    made = aigc("generate", name, "--model", "tiny-front", "--out", "set")
    assert made.code == 2
    assert reason in made.err.splitlines()[-1]
    assert made.err.count("\n") == 1
    assert not Path("set").exists()


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.xlsx", "x.tsv", "X.CSV"])
def test_a_file_that_is_not_there_is_not_taken_for_a_model(aigc: Aigc, name: str) -> None:
    publish_tiny("tiny-front")
    made = aigc("generate", name, "--model", "tiny-front", "--out", "set")
    assert (made.code, f"briefs = {name}: not found" in made.err) == (2, True)
    Path(name).symlink_to(name)
    made = aigc("generate", name, "--model", "tiny-front", "--out", "set")
    assert (made.code, "a link to nothing, or to itself" in made.err) == (2, True)


def test_what_was_read_is_said_before_the_job_starts(aigc: Aigc) -> None:
    import pyarrow.parquet as pq

    publish_tiny("tiny-front", labels=("[/sale]", "Café"))
    rows: list[list[Any]] = [
        ["Labels", "Qty", "sku", None],
        ["[/sale]", 2, "007", None],
        *[[None]] * 7,
    ]
    rows += [["Cafe\u0301", 1, 8, None], ["Café", "1.000", "", None]]
    Path("orders.xlsx").write_bytes(workbook(("Spring", rows), ("Notes", [["x"]]))())
    options = ["--model", "tiny-front", "--out", "set", "--set", "max_rejects=1", "--workers", 1]
    made = aigc("generate", "orders.xlsx", *options)
    assert made.code == 0, made.err
    lines = made.err.splitlines()
    for said in (
        "sheet 'Spring' of 'Spring', 'Notes' is read",
        "read 'Labels' as label, 'Qty' as count",
        "columns of your own, carried into the output and without effect on its items: sku",
        "7 rows without content are ignored",
        "1 brief is rejected, the first in row 10: Qty = '1.000'",
    ):
        assert any(said in line for line in lines[:6]), (said, lines)
    table = pq.read_table("set/data").sort_by("index")
    assert table["label_name"].to_pylist() == ["[/sale]", "[/sale]", "Café"]
    assert table["sku"].to_pylist() == ["007", "007", "8"]


def test_a_batch_is_answered_with_what_had_no_effect(aigc: Aigc) -> None:
    publish_tiny("tiny-front")
    body = {"model": "tiny-front@latest", "prompt": "two", "quality": "hd", "index": 3, "seed": 1}
    refused = {"prompt": "two", "background": "transparent"}
    line = {"method": "POST", "url": "/v1/images/generations"}
    rows: list[Any] = [
        {"custom_id": 7, "body": body, **line},
        {"custom_id": "b", "body": refused, **line},
    ]
    Path("batch.jsonl").write_bytes(json_lines(*rows))
    options = ["--model", "tiny-front", "--out", "set", "--set", "max_rejects=1", "--workers", 1]
    made = aigc("generate", "batch.jsonl", *options)
    assert made.code == 0, made.err
    assert "1 custom_id are numbers; the answers have them as text" in made.err
    answer = json.loads(Path("set/batch_output.jsonl").read_text())
    assert answer["custom_id"] == "7"
    body = answer["response"]["body"]
    assert (body["ignored"], body["background"]) == (["quality"], "opaque")
    error = json.loads(Path("set/batch_errors.jsonl").read_text())["response"]["body"]["error"]
    assert (error["param"], error["code"]) == ("background", "not_supported")
