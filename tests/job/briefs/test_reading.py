from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.job.briefs import rejects_bytes
from tests.job.briefs.helpers import read_file, write_csv, write_lines
from tests.models_for_tests import tiny_config

HEADER = [
    *("brief_id", "campaign", "label", "count", "seed", "width", "height", "codec", "quality"),
    *("truncation", "sku", "note"),
]
GOOD = ["", "", "two", 3, "", "", "", "", "", "", "007", "a, b"]
BAD = [
    ("label", "tow", r"label = 'tow': the model has no 'tow'; did you mean 'two'\?"),
    ("label", "one|", "expected labels like"),
    ("label", "one:0|two:1", "shares above 0"),
    ("label", "one:x", "no 'one:x'|shares above 0"),
    ("label", "one:1e-9|two:1", "too uneven"),
    ("label", "one:1e308|one:1e308", "the shares of 'one' are too large together"),
    ("count", "many", "count = 'many': expected a whole number from 1"),
    ("count", "0", "count = '0'"),
    ("count", "-3", "count = '-3'"),
    ("count", "1.5", "count = '1.5'"),
    ("count", "", "count: missing"),
    ("seed", "-1", "seed = '-1'"),
    ("seed", str(2**63), "seed = "),
    ("width", "0", "width = '0'"),
    ("width", "9000", "1 to 8192"),
    ("height", "tall", "height = 'tall'"),
    ("codec", "gif", "codec = 'gif': expected one of png, jpeg, webp, raw"),
    ("quality", "101", "quality = '101'"),
    ("truncation", "0", "truncation = '0': expected a number above 0"),
    ("truncation", "inf", "truncation = 'inf'"),
    ("truncation", "nan", "truncation = 'nan'"),
    ("brief_id", "b-1", "brief_id = 'b-1': row 1 has it already"),
    ("sku", None, "11 cells, the header has 12"),
    ("note", ["x", "y"], "13 cells, the header has 12"),
]


def five_thousand() -> tuple[list[list], dict[int, str]]:
    """5,000 rows and, by number, what is wrong with fifty of them."""
    rows, wrong = [], {}
    for number in range(1, 5001):
        row = list(GOOD)
        row[0], row[1], row[3] = f"b-{number}", f"c{number % 7}", 1 + number % 5
        if number % 100 == 0:
            column, value, reason = BAD[len(wrong) % len(BAD)]
            at = HEADER.index(column)
            row[at : at + 1] = (
                value if isinstance(value, list) else [] if value is None else [value]
            )
            wrong[number] = reason
        rows.append(row)
    return rows, wrong


def test_five_thousand_rows_with_fifty_bad_ones(tmp_path: Path) -> None:
    rows, wrong = five_thousand()
    path = write_csv(tmp_path / "briefs.csv", HEADER, rows)
    briefs, rejects = read_file(path)
    assert [reject.row for reject in rejects] == list(wrong)
    for reject in rejects:
        assert re.search(wrong[reject.row], reject.reason), reject
    good = [row for number, row in enumerate(rows, 1) if number not in wrong]
    assert len(briefs.table) == 4950
    assert briefs.table["brief_id"].to_pylist() == [row[0] for row in good]
    assert briefs.table["count"].to_pylist() == [row[3] for row in good]
    assert briefs.count == sum(row[3] for row in good)
    assert briefs.own == ("campaign", "sku", "note")
    assert briefs.table["campaign"].to_pylist() == [row[1] for row in good]
    assert set(briefs.table["sku"].to_pylist()) == {"007"}
    assert set(briefs.table["note"].to_pylist()) == {"a, b"}
    line = json.loads(rejects_bytes(rejects).splitlines()[5])
    assert line == {"row": 600, "brief_id": "b-600", "reason": rejects[5].reason}


def test_an_empty_field_is_what_the_spec_says(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "b.csv", ["note", "label", "count"], [["a", "", ""], ["b", "Two", "5.0"]]
    )
    options = {"count": 4, "labels": ["one"], "codec": "jpeg", "quality": 70, "width": 32}
    briefs, _ = read_file(path, truncation=1.5, **options)
    first, second = briefs.table.to_pylist()
    assert first.items() >= {"brief_id": "1", "count": 4, "codec": "jpeg", "quality": 70}.items()
    assert first.items() >= {"truncation": 1.5, "width": 32, "height": 16}.items()
    assert second["count"] == 5
    assert briefs.keys(np.array([0, 3, 4])).conditions["label"].tolist() == [1, 1, 2]


def test_a_label_can_be_a_mix(tmp_path: Path) -> None:
    values = ["one", "one|two", "one:3|two:1", ["two", "three"], {"zero": 1, "one": 2}]
    rows = [{"label": value, "count": 12} for value in values]
    briefs, rejects = read_file(write_lines(tmp_path / "b.jsonl", rows))
    assert not rejects
    made = briefs.keys(np.arange(60)).conditions["label"].reshape(5, 12)
    counts = [np.bincount(row, minlength=4).tolist() for row in made]
    assert counts == [[0, 12, 0, 0], [0, 6, 6, 0], [0, 9, 3, 0], [0, 0, 6, 6], [4, 8, 0, 0]]


def test_a_label_with_a_colon_or_a_bar_is_itself(tmp_path: Path) -> None:
    config = tiny_config(labels=("a:1", "b|c", "d"))
    path = write_csv(tmp_path / "b.csv", ["label", "count"], [["A:1|d", 2], ["b|c", 1]])
    briefs, rejects = read_file(path, config)
    assert not rejects
    assert briefs.keys(np.arange(3)).conditions["label"].tolist() == [0, 2, 1]


def test_a_model_without_labels_makes_no_labels(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", ["brief_id", "label", "count"], [[1, "", 2], [2, "x", 2]])
    briefs, rejects = read_file(path, tiny_config(labels=()))
    assert briefs.keys(np.arange(2)).conditions == {}
    assert "the model has no labels" in rejects[0].reason


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", ["Auftrag", "Anzahl", "Start"], [["x", "9", "May"]])
    columns = {"brief_id": "Auftrag", "count": "Anzahl"}
    briefs, _ = read_file(path, columns=columns)
    assert briefs.table["brief_id"].to_pylist() == ["x"]
    assert (briefs.count, briefs.own) == (9, ("Start",))
    path = write_csv(tmp_path / "b.csv", ["Auftrag", "Anzahl"], [["x", "9"], ["y", "?"]])
    assert read_file(path, columns=columns)[1][0].reason.startswith("Anzahl = '?'")
    with pytest.raises(SpecError, match=r"columns.count = Anzal.*did you mean 'Anzahl'.*Auftrag"):
        read_file(path, columns={"count": "Anzal"})


@pytest.mark.parametrize("name", ["model", "Index", "image", "latents", "score"])
def test_a_column_named_like_one_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path / "b.csv", ["count", name], [[1, "x"]])
    with pytest.raises(SpecError, match=rf"column '{name}' has the name of an output column"):
        read_file(path)


def test_codec_raw_does_not_go_with_files(tmp_path: Path) -> None:
    rows = [["raw", 1], ["JPG", 1]]
    path = write_csv(tmp_path / "b.csv", ["codec", "count"], rows)
    briefs, rejects = read_file(path, writer="files")
    assert "writer files" in rejects[0].reason
    assert briefs.table["codec"].to_pylist() == ["jpeg"]


def test_too_many_rejects_stop_the_job_and_the_first_is_named(tmp_path: Path) -> None:
    rows = [[1]] * 8 + [["x"]] * 2
    path = write_csv(tmp_path / "b.csv", ["count"], rows)
    assert len(read_file(path, max_rejects=0.2)[1]) == 2
    assert len(read_file(path, max_rejects=2)[1]) == 2
    for limit in (0, 0.19, 1):
        with pytest.raises(SpecError, match=r"2 of 10 rows are rejected.*row 9: count = 'x'"):
            read_file(path, max_rejects=limit)
    with pytest.raises(SpecError, match="none of 1 rows is good; the first is row 1"):
        read_file(write_csv(tmp_path / "b.csv", ["count"], [["x"]]), max_rejects=100)


def test_a_brief_makes_the_same_whoever_stands_beside_it(tmp_path: Path) -> None:
    rows = [[f"b{number}", "one|two:2", 7] for number in range(5)]
    header = ["brief_id", "label", "count"]
    whole, _ = read_file(write_csv(tmp_path / "a.csv", header, rows))
    part, _ = read_file(write_csv(tmp_path / "b.csv", header, [rows[3], ["new", "", 2], rows[1]]))
    for mine, theirs in ((0, 21), (9, 7)):
        a = part.keys(np.arange(mine, mine + 7), np.arange(7))
        b = whole.keys(np.arange(theirs, theirs + 7), np.arange(7))
        assert a.seeds.tolist() == b.seeds.tolist()
        assert a.counters.tolist() == b.counters.tolist()
        assert a.conditions["label"].tolist() == b.conditions["label"].tolist()
    seeds = whole.table["seed"].to_pylist()
    assert len(set(seeds)) == 5
    other, _ = read_file(tmp_path / "a.csv", seed=1)
    assert not set(seeds) & set(other.table["seed"].to_pylist())


def test_two_briefs_may_be_given_one_seed(tmp_path: Path) -> None:
    rows = [["a", 5, 16, 2], ["b", 5, 64, 2]]
    path = write_csv(tmp_path / "b.csv", ["brief_id", "seed", "width", "count"], rows)
    briefs, rejects = read_file(path)
    assert not rejects
    assert briefs.keys(np.arange(4)).counters.tolist() == [0, 1, 0, 1]
    assert briefs.keys(np.arange(4)).seeds.tolist() == [5] * 4


def test_partitions_are_contiguous_and_otherwise_in_order(tmp_path: Path) -> None:
    rows = [["b", "se", 2], ["a", "no", 1], ["b", "no", 3], ["a", "no", 4]]
    path = write_csv(tmp_path / "b.csv", ["campaign", "market", "count"], rows)
    briefs, _ = read_file(path, partition_by=["campaign", "market"])
    assert briefs.table["brief_id"].to_pylist() == ["2", "4", "3", "1"]
    assert briefs.partitions(["campaign", "market"]) == [
        (0, 5, "campaign-a/market-no"),
        (5, 8, "campaign-b/market-no"),
        (8, 10, "campaign-b/market-se"),
    ]
    with pytest.raises(SpecError, match=r"partition_by = label: .*brief_id, .*campaign, market"):
        read_file(path, partition_by=["label"])


def test_columns_of_lists_are_no_partitions(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "b.jsonl", [{"count": 1, "tags": ["a"]}])
    with pytest.raises(SpecError, match="partition_by = tags"):
        read_file(path, partition_by=["tags"])


def test_the_seed_of_a_brief_never_changes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", ["brief_id", "count"], [["spring", 1]])
    assert read_file(path)[0].table["seed"].to_pylist() == [3582003227176919094]


def test_a_quality_without_effect_is_a_reject(tmp_path: Path) -> None:
    rows = [["a", "", 80], ["b", "jpeg", 80], ["c", "raw", 1], ["d", "png", 100], ["e", "webp", 5]]
    path = write_csv(tmp_path / "b.csv", ["brief_id", "codec", "quality"], rows)
    briefs, rejects = read_file(path, count=1)
    assert briefs.table["brief_id"].to_pylist() == ["b", "d", "e"]
    assert [each.reason for each in rejects] == [
        "quality = 80: has no effect on codec png; leave it out, or use jpeg or webp",
        "quality = 1: has no effect on codec raw; leave it out, or use jpeg or webp",
    ]
    briefs, rejects = read_file(path, count=1, codec="jpeg")
    assert [each.brief_id for each in rejects] == ["c"]
