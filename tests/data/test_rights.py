from __future__ import annotations

import csv as tables
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aigc.data.dataset import open_dataset
from aigc.data.notes import Notes
from aigc.data.rights import refusal
from aigc.distributed.prepare import run
from aigc.errors import DataError
from aigc.modalities.rights import Rights
from tests.data.pictures import encoded, noise, spec

CREDITED = Notes(licence="CC-BY-4.0", creator="Ann", source="https://a.example/1", consent="yes")


@pytest.mark.parametrize(
    ("rights", "notes", "reason"),
    [
        ({}, CREDITED, ""),
        ({}, Notes(), "no licence, which rights.require asks for"),
        ({}, Notes(licence="CC BY-SA 3.0"), "licence 'CC BY-SA 3.0' needs its creator"),
        ({}, Notes(licence="cc-by"), "licence 'cc-by' needs its creator"),
        ({}, Notes(licence="CC0-1.0"), ""),
        ({}, Notes(licence="MIT"), ""),
        ({"require": ["creator"]}, Notes(creator="Ann"), ""),
        ({"require": ["source"]}, Notes(licence="MIT"), "no source, which rights.require asks for"),
        ({"require": ["consent"]}, CREDITED, ""),
        ({"require": ["consent"]}, Notes(consent="No"), "consent = 'no'"),
        ({"require": [], "allow_licences": ["cc-by-*", "MIT"]}, CREDITED, ""),
        ({"allow_licences": ["MIT"]}, CREDITED, "'CC-BY-4.0' is not one of rights.allow_licences"),
    ],
)
def test_the_policy_of_a_row(rights, notes: Notes, reason: str) -> None:
    found = refusal(Rights.model_validate(rights), notes)
    assert found.endswith(reason) if reason else not found


def test_a_row_without_a_licence_has_that_of_the_whole_source() -> None:
    assert refusal(Rights(), Notes(), "MIT") == ""
    assert refusal(Rights(), Notes(), "CC-BY-4.0") == "licence 'CC-BY-4.0' needs its creator"
    assert refusal(Rights(allow_licences=("MIT",)), Notes(licence="X"), "MIT") != ""


LINES = [
    "file_name,licence,creator,source,consent",
    "a.png,CC0-1.0,,https://a.example/a,yes",
    "b.png,CC-BY-4.0,,https://a.example/b,yes",
    "c.png,CC-BY-4.0,Cleo,https://a.example/c,yes",
    "d.png,GPL-2.0,Dora,https://a.example/d,yes",
    "e.png,CC0-1.0,Eve,https://a.example/e,withdrawn",
    "f.png,CC0-1.0,Finn,,yes",
    "g.png,,Gus,https://a.example/g,yes",
]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, line in enumerate(LINES[1:]):
        (folder / line.partition(",")[0]).write_bytes(encoded(noise(number)))
    (folder / "metadata.csv").write_text("\n".join(LINES) + "\n")
    return folder


POLICY = {
    "require": ["licence", "source", "consent"],
    "allow_licences": ["CC0-*", "CC-BY-*"],
}


def test_prepare_refuses_rows_with_the_reason(raw: Path, tmp_path: Path) -> None:
    asked = spec(raw, tmp_path / "out", rights=POLICY, max_rejects=0.9, test_fraction=0)
    made = run(asked)
    assert (made["train"], made["rejects"]) == (2, 5)
    rows = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert {row["id"]: row["reason"] for row in rows} == {
        "b.png": "licence 'CC-BY-4.0' needs its creator",
        "d.png": "licence 'GPL-2.0' is not one of rights.allow_licences",
        "e.png": "consent = 'withdrawn'",
        "f.png": "no source, which rights.require asks for",
        "g.png": "no licence, which rights.require asks for",
    }
    data = open_dataset(str(tmp_path / "out"))
    assert data.columns[3:] == ("licence", "creator", "source", "consent")
    assert sorted(map(str, data.texts("train", "source"))) == [
        "https://a.example/a",
        "https://a.example/c",
    ]
    assert data.info["licences"] == {"CC-BY-4.0": 1, "CC0-1.0": 1}
    with (tmp_path / "out" / "attribution.csv").open() as file:
        assert list(tables.reader(file)) == [
            ["licence", "creator", "source", "images"],
            ["CC-BY-4.0", "Cleo", "https://a.example/c", "1"],
            ["CC0-1.0", "not stated", "https://a.example/a", "1"],
        ]
    assert run(asked)["reused"]


def test_too_many_refusals_stop_with_their_reasons(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5 of 7 inputs rejected.*needs its creator"):
        run(spec(raw, tmp_path / "out", rights=POLICY))


def test_without_a_policy_nothing_changes(raw: Path, tmp_path: Path) -> None:
    made = run(spec(raw, tmp_path / "out", test_fraction=0))
    data = open_dataset(str(tmp_path / "out"))
    assert made["train"] == 7
    assert data.columns[3:] == ("licence", "creator")
    assert not {"rights", "source_column", "consent_column"} & data.info["spec"].keys()


def test_columns_that_are_named_are_read_without_a_policy(raw: Path, tmp_path: Path) -> None:
    run(spec(raw, tmp_path / "out", source_column="source", test_fraction=0))
    assert open_dataset(str(tmp_path / "out")).columns[3:] == ("licence", "creator", "source")
