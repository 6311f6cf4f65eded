"""Each kind of damage is done to a real set, and each is found and named."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aigc.errors import JobError
from aigc.job.keys import ATTEMPT
from aigc.output import commit, parquet
from aigc.sets.verify import verify


@pytest.fixture
def made(sets, tmp_path: Path) -> Path:
    sets.finished(str(tmp_path / "set"))
    return tmp_path / "set"


def rewrite(folder: Path, change) -> None:
    """Change the rows of shard 1 and make its record agree with the changed file."""
    path = folder / commit.read_record(str(folder), 1).file
    table = change(pq.read_table(path))
    pq.write_table(table, path)
    record_path = folder / "_records" / "00001.json"
    record = json.loads(record_path.read_text()) | {"sha256": parquet.file_sha256(path)}
    record_path.write_text(json.dumps(record))


def replaced(table, name: str, rows: list[int]):
    """`table` with the column `name` taken from `rows` of itself."""
    return table.set_column(table.column_names.index(name), name, table[name].take(rows))


def test_another_candidate_of_a_slot_is_found(made: Path) -> None:
    def change(table):
        at = table.column_names.index("candidate")
        later = [number + ATTEMPT for number in table["candidate"].to_pylist()]
        return table.set_column(at, "candidate", [later])

    rewrite(made, change)
    with pytest.raises(JobError, match="candidates of items 32 to 63 are not their own"):
        verify(str(made))


def test_a_good_set_passes(made: Path) -> None:
    result = verify(str(made), decode_items=100)
    assert result["items"] == result["decoded"] == 100
    assert result["labels"] == {"one": 25, "three": 25, "two": 25, "zero": 25}


def test_a_flipped_bit_is_found(made: Path) -> None:
    path = made / commit.read_record(str(made), 2).file
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(JobError, match=r"part-00002.*SHA-256 differs"):
        verify(str(made))


def test_a_lost_file_is_found(made: Path) -> None:
    (made / commit.read_record(str(made), 0).file).unlink()
    with pytest.raises(Exception, match=r"part-00000.*not found"):
        verify(str(made))


def test_a_lost_record_is_found(made: Path) -> None:
    (made / "_records" / "00003.json").unlink()
    with pytest.raises(JobError, match=r"shard 3 is missing; delete manifest\.json and run"):
        verify(str(made))


def test_a_stray_file_is_found(made: Path) -> None:
    (made / "data" / "part-00000-evil.parquet").write_bytes(b"x")
    with pytest.raises(JobError, match="belongs to no record"):
        verify(str(made))


def test_doubled_rows_are_found(made: Path) -> None:
    rewrite(made, lambda table: table.take([0, *range(31)]))
    with pytest.raises(JobError, match="item indices are not 32 to 63"):
        verify(str(made))


def test_missing_rows_are_found(made: Path) -> None:
    rewrite(made, lambda table: table.slice(0, 30))
    with pytest.raises(JobError, match="ends at item 61, planned 63"):
        verify(str(made))


def test_a_wrong_label_is_found(made: Path) -> None:
    rewrite(made, lambda table: replaced(table, "label", [1] * 32))
    with pytest.raises(JobError, match="labels of items 32 to 63"):
        verify(str(made))


def test_swapped_images_are_found(made: Path) -> None:
    rewrite(made, lambda table: replaced(table, "image", [1, 0, *range(2, 32)]))
    with pytest.raises(JobError, match="content digest differs"):
        verify(str(made))


@pytest.mark.parametrize(
    "change",
    [
        {"items": 99},
        {"labels": {"one": 999}},
        {"refused": {"blank": 1}},
        {"size_bytes": 1},
        {"content_digest": "0" * 64},
    ],
)
def test_a_changed_manifest_is_found(made: Path, change: dict) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(JobError, match=f"{next(iter(change))} differs from that of the records"):
        verify(str(made))


def test_a_record_that_counts_wrongly_is_found(made: Path) -> None:
    path = made / "_records" / "00001.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"labels": {"one": 32}}))
    with pytest.raises(JobError, match="its record counts other labels"):
        verify(str(made))
