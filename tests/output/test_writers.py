"""Every form of a set gives back what was written, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aigc.errors import JobError, StorageError
from aigc.output import items
from aigc.sets import read
from aigc.specs import Codec
from tests.output.handmade import COUNT, START, batch, job, write

FORMS = ["parquet", "webdataset", "files"]
CODECS: list[Codec] = ["png", "jpeg", "webp", "raw"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("codecs", [*([codec] for codec in CODECS), CODECS], ids=str)
def test_rows_are_read_as_they_were_written(form, codecs: list[Codec], tmp_path: Path) -> None:
    rows = batch(codecs)
    parts = list(read.rows(str(tmp_path), job(form), write(form, str(tmp_path), rows)))
    assert [at for part in parts for at in part.indices.tolist()] == rows["index"].to_pylist()
    assert [found for part in parts for found in part.files] == items.files(rows)
    for name in ("ids", "candidates", "seeds", "labels"):
        column = {"ids": "id"}.get(name, name.removesuffix("s"))
        assert [at for part in parts for at in getattr(part, name)] == rows[column].to_pylist()
    for name in ("width", "height", "codec"):
        found = [value for part in parts for value in part.formats[name]]
        assert found == rows[name].to_pylist()


@pytest.mark.parametrize("form", FORMS)
def test_a_set_without_labels(form, tmp_path: Path) -> None:
    record = write(form, str(tmp_path), batch(["png"], labelled=False))
    assert {part.labels for part in read.rows(str(tmp_path), job("parquet"), record)} == {None}
    if form == "files":
        assert len(list((tmp_path / "images" / "all").rglob("*.png"))) == COUNT


@pytest.mark.parametrize("form", FORMS)
def test_only_wanted_rows_are_read(form, tmp_path: Path) -> None:
    rows = batch(CODECS)
    record = write(form, str(tmp_path), rows)
    wanted = {START + 3, START + 41}
    found = {}
    for part in read.rows(str(tmp_path), job("parquet"), record, wanted):
        found |= dict(zip(part.indices.tolist(), part.files, strict=True))
    files = items.files(rows)
    assert found == {START + 3: files[3], START + 41: files[41]}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_give_the_same_bytes(form, tmp_path: Path) -> None:
    rows = batch(["png"])
    first, second = tmp_path / "1", tmp_path / "2"
    record = write(form, str(first), rows)
    assert write(form, str(second), rows) == record
    for path in first.rglob("*.*"):
        other = second / path.relative_to(first)
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def test_python_reads_the_tar_and_its_members_have_no_owner(tmp_path: Path) -> None:
    rows = batch(["png", "raw"])
    record = write("webdataset", str(tmp_path), rows)
    with tarfile.open(tmp_path / record.file) as tar:
        members = tar.getmembers()
        document = json.loads(_member(tar, "000000009981.json"))
        raw = np.load(io.BytesIO(_member(tar, "000000009981.npy")))
    assert len(members) == 3 * COUNT
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}
    assert raw.shape == (6, 9, 3)
    assert raw.tobytes() == items.files(rows)[1]
    expected = rows.drop_columns(["image", "pixels"]).slice(1, 1).to_pylist()[0]
    assert document == expected


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_a_damaged_shard_is_named(form, tmp_path: Path) -> None:
    record = write(form, str(tmp_path), batch(["png"]))
    path = tmp_path / record.file
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(JobError, match=r"part-0\..*not readable as (Parquet|a tar file)"):
        list(read.rows(str(tmp_path), job("parquet"), record))


def test_files_are_foldered_by_label_and_index(tmp_path: Path) -> None:
    rows = batch(["png", "jpeg"])
    record = write("files", str(tmp_path), rows)
    index = pq.read_table(tmp_path / record.file).to_pylist()
    assert index[0]["file"] == "images/bag/000000/000000009980.png"
    assert index[1]["file"] == "images/%2E%2E%2Fshoe 1%2F2/000000/000000009981.jpg"
    assert index[23]["file"] == "images/%2Ehidden/000001/000000010003.jpg"
    for row, data in zip(index, items.files(rows), strict=True):
        stored = (tmp_path / row["file"]).read_bytes()
        assert stored == data
        assert (row["size_bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert len(list((tmp_path / "images").rglob("*.*g"))) == COUNT
    assert Image.open(tmp_path / index[2]["file"]).size == (10, 6)


def test_a_lost_picture_is_named(tmp_path: Path) -> None:
    record = write("files", str(tmp_path), batch(["png"]))
    next((tmp_path / "images").rglob("*9985.png")).unlink()
    with pytest.raises(StorageError, match=r"000000009985.png: not found"):
        list(read.rows(str(tmp_path), job("parquet"), record))


@pytest.mark.integration
@pytest.mark.parametrize("form", FORMS)
def test_every_form_on_s3(form, s3_uri: str) -> None:
    rows = batch(CODECS)
    record = write(form, f"{s3_uri}/set", rows)
    parts = list(read.rows(f"{s3_uri}/set", job("parquet"), record))
    assert [found for part in parts for found in part.files] == items.files(rows)
