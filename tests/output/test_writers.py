"""Every form of a set gives back what was written, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aigc import storage
from aigc.errors import JobError, StorageError
from aigc.modalities.image import encode
from aigc.output import pictures, read
from aigc.output.parquet import file_sha256
from aigc.output.writers import SUFFIX, open_writer
from aigc.specs import Codec
from aigc.types import ShardRecord

RNG = np.random.default_rng(0)
LABELS = ("bag", "../shoe 1/2", ".hidden")
FORMS = ["parquet", "webdataset", "files"]
CODECS: list[Codec] = ["png", "jpeg", "webp", "raw"]
COUNT = 50
START = 9_980
"""Indices of a shard that crosses the border of a folder of ten thousand."""


def batch(codecs: Sequence[Codec], *, labelled: bool = True, count: int = COUNT) -> pa.RecordBatch:
    """Pictures of differing width in `codecs`, one after the other, with a brief's columns."""
    codec = [codecs[at % len(codecs)] for at in range(count)]
    width = [8 + at % 3 for at in range(count)]
    data = [
        encode(RNG.integers(0, 256, (1, 6, wide, 3), dtype=np.uint8), name)[0]
        for name, wide in zip(codec, width, strict=True)
    ]
    fields = pictures.fields(set(codecs), (None, None, 3))
    indices = list(range(START, START + count))
    label = [at % 3 for at in range(count)] if labelled else [None] * count
    columns = {
        "id": pa.array([f"i{index}" for index in indices]),
        "index": pa.array(indices),
        "candidate": pa.array([index + 2**40 for index in indices]),
        **dict(
            zip(
                [field.name for field in fields],
                pictures.arrays(data, indices, codec, pa.schema(fields)),
                strict=True,
            )
        ),
        "label": pa.array(label, pa.int64()),
        "label_name": pa.DictionaryArray.from_arrays(pa.array(label, pa.int32()), list(LABELS)),
        "seed": pa.array([2**63 - 1] * count),
        "width": pa.array(width, pa.int32()),
        "height": pa.array([6] * count, pa.int32()),
        "codec": pa.array(codec),
        "100% own, €": pa.array([None, "a\nb"] * (count // 2)),
        "score": pa.array(np.linspace(0, 1, count, dtype=np.float32)),
        "latent": pa.array([[0.5, float(at)] for at in range(count)], pa.list_(pa.float32(), 2)),
    }
    by_name = {field.name: field for field in fields}
    schema = pa.schema([by_name.get(name, (name, column.type)) for name, column in columns.items()])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def write(form, out: str, rows: pa.RecordBatch, name: str = "data/part-0") -> ShardRecord:
    file = name + SUFFIX[form]
    local = storage.scratch(storage.join(out, file))
    with open_writer(form, local, rows.schema, out) as writer:
        for start in range(0, len(rows), 20):
            writer.write(rows.slice(start, 20))
    size, sha256 = local.stat().st_size, file_sha256(local)
    storage.upload(local, storage.join(out, file))
    return ShardRecord(0, START, START + len(rows), file, size, sha256, "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("codecs", [*([codec] for codec in CODECS), CODECS], ids=str)
def test_rows_are_read_as_they_were_written(form, codecs: list[Codec], tmp_path: Path) -> None:
    rows = batch(codecs)
    parts = list(read.rows(str(tmp_path), write(form, str(tmp_path), rows)))
    assert [at for part in parts for at in part.indices.tolist()] == rows["index"].to_pylist()
    assert [found for part in parts for found in part.files] == pictures.files(rows)
    for name in ("ids", "candidates", "seeds", "labels", "codecs", "heights", "widths"):
        column = {"ids": "id"}.get(name, name.removesuffix("s"))
        assert [at for part in parts for at in getattr(part, name)] == rows[column].to_pylist()


@pytest.mark.parametrize("form", FORMS)
def test_a_set_without_labels(form, tmp_path: Path) -> None:
    record = write(form, str(tmp_path), batch(["png"], labelled=False))
    assert [part.labels for part in read.rows(str(tmp_path), record)] == [None]
    if form == "files":
        assert len(list((tmp_path / "images" / "all").rglob("*.png"))) == COUNT


@pytest.mark.parametrize("form", FORMS)
def test_only_wanted_rows_are_read(form, tmp_path: Path) -> None:
    rows = batch(CODECS)
    record = write(form, str(tmp_path), rows)
    wanted = {START + 3, START + 41}
    found = {}
    for part in read.rows(str(tmp_path), record, wanted):
        found |= dict(zip(part.indices.tolist(), part.files, strict=True))
    files = pictures.files(rows)
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


def test_python_reads_the_tar_and_its_members_have_no_owner(tmp_path: Path) -> None:
    rows = batch(["png", "raw"])
    record = write("webdataset", str(tmp_path), rows)
    with tarfile.open(tmp_path / record.file) as tar:
        members = tar.getmembers()
        document = json.load(tar.extractfile("000000009981.json"))
        raw = np.load(io.BytesIO(tar.extractfile("000000009981.npy").read()))
    assert len(members) == 3 * COUNT
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}
    assert raw.shape == (6, 9, 3)
    assert raw.tobytes() == pictures.files(rows)[1]
    expected = rows.drop_columns(["image", "pixels"]).slice(1, 1).to_pylist()[0]
    assert document == expected


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_a_damaged_shard_is_named(form, tmp_path: Path) -> None:
    record = write(form, str(tmp_path), batch(["png"]))
    path = tmp_path / record.file
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(JobError, match=r"part-0\..*not readable as (Parquet|a tar file)"):
        list(read.rows(str(tmp_path), record))


def test_files_are_foldered_by_label_and_index(tmp_path: Path) -> None:
    rows = batch(["png", "jpeg"])
    record = write("files", str(tmp_path), rows)
    index = pq.read_table(tmp_path / record.file).to_pylist()
    assert index[0]["file"] == "images/bag/000000/000000009980.png"
    assert index[1]["file"] == "images/%2E%2E%2Fshoe 1%2F2/000000/000000009981.jpg"
    assert index[23]["file"] == "images/%2Ehidden/000001/000000010003.jpg"
    for row, data in zip(index, pictures.files(rows), strict=True):
        stored = (tmp_path / row["file"]).read_bytes()
        assert stored == data
        assert (row["size_bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert len(list((tmp_path / "images").rglob("*.*g"))) == COUNT
    assert Image.open(tmp_path / index[2]["file"]).size == (10, 6)


def test_a_lost_picture_is_named(tmp_path: Path) -> None:
    record = write("files", str(tmp_path), batch(["png"]))
    next((tmp_path / "images").rglob("*9985.png")).unlink()
    with pytest.raises(StorageError, match=r"000000009985.png: not found"):
        list(read.rows(str(tmp_path), record))


@pytest.mark.integration
@pytest.mark.parametrize("form", FORMS)
def test_every_form_on_s3(form, s3_uri: str) -> None:
    rows = batch(CODECS)
    record = write(form, f"{s3_uri}/set", rows)
    parts = list(read.rows(f"{s3_uri}/set", record))
    assert [found for part in parts for found in part.files] == pictures.files(rows)
