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

from aigc.output import commit, gallery, manifest
from aigc.provenance.marking import DIGITAL_SOURCE_TYPE


@pytest.fixture(scope="module")
def made(sets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("readers") / "set"
    sets.finished(str(out))
    return out


def test_datasets_shows_pictures_and_label_names(made: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    files = str(made / "data" / "*.parquet")
    loaded = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == 100
    assert loaded.features["label"].names == ["zero", "one", "two", "three"]
    assert loaded[5]["image"].size == (16, 16)
    assert loaded.features["label"].int2str(loaded[5]["label"]) == loaded[5]["label_name"] == "one"


def test_duckdb_counts_labels_and_indices(made: Path) -> None:
    import duckdb

    files = f"'{made}/data/*.parquet'"
    counts = duckdb.sql(
        f"select label_name, count(*) from {files} group by 1 order by 1"
    ).fetchall()
    assert counts == [("one", 25), ("three", 25), ("two", 25), ("zero", 25)]
    query = f"select count(distinct index), min(index), max(index), count(distinct id) from {files}"
    assert duckdb.sql(query).fetchall() == [(100, 0, 99, 100)]
    assert duckdb.sql(f"select distinct digital_source_type from {files}").fetchall() == [
        (DIGITAL_SOURCE_TYPE,)
    ]


def test_pandas_reads_it(made: Path) -> None:
    frame = pd.read_parquet(made / "data")
    row = frame.sort_values("index").iloc[42]
    picture = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
    assert picture.shape == (16, 16)
    assert row["id"].endswith("-7-000000000042")


@pytest.mark.parametrize(("codec", "magic"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_other_codecs(sets, tmp_path: Path, codec: str, magic: bytes) -> None:
    sets.finished(str(tmp_path / "set"), codec=codec, count=20)
    table = pq.read_table(tmp_path / "set" / "data")
    assert all(image["bytes"].startswith(magic) for image in table["image"].to_pylist())


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
    assert "tiny-output@v1" in page
