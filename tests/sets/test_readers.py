"""A finished set opens in the tools people use, with pictures decoded and labels named."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aigc.output import commit
from aigc.provenance.statement import TRAINED_ALGORITHMIC_MEDIA
from aigc.sets import gallery, manifest, read

LABELS = ["zero", "one", "two", "three"]


@pytest.fixture(scope="module")
def made(sets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred 16×16 PNGs in Parquet."""
    out = tmp_path_factory.mktemp("readers") / "set"
    sets.finished(str(out))
    return out


@pytest.fixture(scope="module")
def raw(sets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same hundred, as raw values."""
    out = tmp_path_factory.mktemp("readers") / "raw"
    sets.finished(str(out), codec="raw")
    return out


@pytest.fixture(scope="module")
def tar(sets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same hundred, as PNGs in tar files."""
    out = tmp_path_factory.mktemp("readers") / "tar"
    sets.finished(str(out), writer="webdataset")
    return out


@pytest.fixture(scope="module")
def item_42(made: Path) -> np.ndarray:
    """Its pixels, uint8 (16, 16)."""
    out = str(made)
    job = commit.read_job(out)
    found = read.stored(out, job, commit.read_records(out), [42])
    return found[42].values()[..., 0]


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


def values_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(16, 16)


def parquet(out: Path) -> str:
    return str(out / "data" / "*.parquet")


def test_datasets_shows_pictures_and_label_names(made: Path, item_42, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(
        "parquet", data_files=parquet(made), split="train", cache_dir=str(tmp_path)
    )
    assert loaded.num_rows == 100
    assert loaded.features["label"].names == LABELS
    assert np.array_equal(np.asarray(loaded[42]["image"]), item_42)
    assert loaded.features["label"].int2str(loaded[5]["label"]) == loaded[5]["label_name"] == "one"


def test_datasets_reads_raw_values(raw: Path, item_42, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(
        "parquet", data_files=parquet(raw), split="train", cache_dir=str(tmp_path)
    )
    assert loaded.features["label"].names == LABELS
    assert np.array_equal(values_of(loaded[42]["pixels"]), item_42)


def test_datasets_reads_tar_files(tar: Path, item_42, tmp_path: Path) -> None:
    from datasets import load_dataset

    files = str(tar / "data" / "*.tar")
    loaded = load_dataset("webdataset", data_files=files, split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == 100
    row = loaded[42]
    assert np.array_equal(np.asarray(row["png"].convert("L")), item_42)
    assert (row["cls"], row["json"]["label_name"], row["json"]["index"]) == (2, "two", 42)


def test_duckdb_counts_labels_and_indices(made: Path) -> None:
    import duckdb

    files = f"'{parquet(made)}'"
    counts = duckdb.sql(
        f"select label_name, count(*) from {files} group by 1 order by 1"
    ).fetchall()
    assert counts == [("one", 25), ("three", 25), ("two", 25), ("zero", 25)]
    query = f"select count(distinct index), min(index), max(index), count(distinct id) from {files}"
    assert duckdb.sql(query).fetchall() == [(100, 0, 99, 100)]
    assert duckdb.sql(f"select distinct digital_source_type from {files}").fetchall() == [
        (TRAINED_ALGORITHMIC_MEDIA,)
    ]


def test_duckdb_reads_pictures_and_raw_values(made: Path, raw: Path, item_42) -> None:
    import duckdb

    def item(column: str, out: Path) -> bytes:
        query = f"select {column} from '{parquet(out)}' where index = 42"
        return duckdb.sql(query).fetchall()[0][0]

    assert np.array_equal(pixels_of(item("image.bytes", made)), item_42)
    assert np.array_equal(values_of(item("pixels", raw)), item_42)


def test_polars_reads_it(made: Path, raw: Path, item_42) -> None:
    import polars

    frame = polars.read_parquet(parquet(made)).sort("index")
    assert frame["label_name"].cast(polars.String)[:5].to_list() == [*LABELS, "zero"]
    assert np.array_equal(pixels_of(frame["image"][42]["bytes"]), item_42)
    frame = polars.scan_parquet(parquet(raw)).filter(polars.col("index") == 42).collect()
    assert np.array_equal(values_of(frame["pixels"][0]), item_42)


def test_pandas_reads_it(made: Path, raw: Path, item_42) -> None:
    frame = pd.read_parquet(made / "data")
    row = frame.sort_values("index").iloc[42]
    assert np.array_equal(pixels_of(row["image"]["bytes"]), item_42)
    assert row["label_name"] == "two"
    assert row["id"].endswith("-7-000000000042-2")
    frame = pd.read_parquet(raw / "data").set_index("index")
    assert np.array_equal(values_of(frame.loc[42, "pixels"]), item_42)


def test_raw_values_of_a_column_are_one_array(raw: Path, item_42) -> None:
    column = pq.read_table(raw / "data").sort_by("index")["pixels"]
    height, width, channels = json.loads(
        pq.read_schema(next((raw / "data").iterdir())).field("pixels").metadata[b"shape"]
    )
    assert (height, width, channels) == (16, 16, 1)
    values = np.frombuffer(column.combine_chunks().buffers()[2], np.uint8)
    assert np.array_equal(values.reshape(100, height, width)[42], item_42)


@pytest.mark.integration
def test_ray_data_reads_it(ray_session, made: Path, raw: Path, item_42) -> None:
    import ray
    from ray.data.expressions import col

    rows = ray.data.read_parquet(str(made / "data")).filter(expr=col("index") == 42).take_all()
    assert [row["label_name"] for row in rows] == ["two"]
    assert np.array_equal(pixels_of(rows[0]["image"]["bytes"]), item_42)
    batch = ray.data.read_parquet(str(raw / "data")).sort("index").take_batch(100)
    assert np.array_equal(values_of(batch["pixels"][42]), item_42)


@pytest.mark.parametrize("codec", ["png", "raw"])
def test_the_webdataset_library_reads_it(sets, tmp_path: Path, codec: str, item_42) -> None:
    from webdataset import WebDataset

    sets.finished(str(tmp_path), writer="webdataset", codec=codec)
    urls = sorted(map(str, (tmp_path / "data").glob("*.tar")))
    member = "png" if codec == "png" else "npy"
    rows = list(WebDataset(urls, shardshuffle=False).decode("l8").to_tuple(member, "cls", "json"))
    assert [document["index"] for _, _, document in rows] == list(range(100))
    assert [LABELS[label] for _, label, _ in rows] == [row["label_name"] for _, _, row in rows]
    assert np.array_equal(np.asarray(rows[42][0]).reshape(16, 16), item_42)


def test_files_lie_in_folders_of_their_label(sets, tmp_path: Path, item_42) -> None:
    from datasets import load_dataset

    sets.finished(str(tmp_path / "set"), writer="files")
    named = tmp_path / "set" / "images" / "two" / "000000" / "000000000042.png"
    assert np.array_equal(np.asarray(Image.open(named)), item_42)
    files = parquet(tmp_path / "set")
    index = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "c"))
    assert index.features["label"].names == LABELS
    assert index[42]["file"] == "images/two/000000/000000000042.png"


@pytest.mark.parametrize("writer", ["parquet", "webdataset", "files"])
def test_every_form_has_the_same_content(sets, made: Path, tmp_path: Path, writer: str) -> None:
    from aigc.sets.verify import verify

    out = str(tmp_path / "set")
    sets.finished(out, writer=writer)
    assert verify(out)["content_digest"] == verify(str(made))["content_digest"]


@pytest.mark.parametrize(("codec", "magic"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_other_codecs(sets, tmp_path: Path, codec: str, magic: bytes) -> None:
    sets.finished(str(tmp_path / "set"), codec=codec, count=20)
    table = pq.read_table(tmp_path / "set" / "data")
    assert all(image["bytes"].startswith(magic) for image in table["image"].to_pylist())


@pytest.mark.parametrize("writer", ["parquet", "webdataset"])
def test_raw_pictures_are_shown_too(sets, made: Path, tmp_path: Path, writer: str) -> None:
    out = str(tmp_path / "set")
    job = sets.finished(out, codec="raw", writer=writer)
    assert (tmp_path / "set" / "preview.png").read_bytes() == (made / "preview.png").read_bytes()
    page = gallery.page(out, job, commit.read_records(out), 6, manifest.status(out))
    assert page.count("data:image/png;base64,iVBOR") == 24


def test_other_sizes_and_rgb(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    options = {"width": 40, "height": 24, "colour": "rgb", "resampling": "bicubic"}
    job = sets.finished(out, count=20, **options)
    found = read.stored(out, job, commit.read_records(out), [0, 19])
    assert {picture.values().shape for picture in found.values()} == {(24, 40, 3)}
    assert Image.open(io.BytesIO(found[0].file)).mode == "RGB"


def test_preview_card_and_gallery(made: Path) -> None:
    sheet = Image.open(made / "preview.png")
    assert sheet.width > 12 * 64
    card = (made / "README.md").read_text()
    assert "AI-generated" in card
    digest = json.loads((made / "manifest.json").read_text())["content_digest"]
    assert digest in card
    out = str(made)
    job = commit.read_job(out)
    page = gallery.page(out, job, commit.read_records(out), 6, manifest.status(out))
    assert page.count("<img ") == 24
    assert page.count("http") == 0
    assert job.model in page
