"""Captions, licences and creators from a source to the data set, its card and its loader."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.loader import Loader
from aigc.data.opening import open_source
from aigc.distributed.prepare import run
from aigc.errors import DataError
from tests.data.pictures import encoded, noise, spec

COUNT = 300


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pictures; those above 250 have no caption and no licence."""
    root = tmp_path_factory.mktemp("captioned") / "raw"
    with_text = []
    for number in range(COUNT):
        name = f"{'ab'[number % 2]}/{number:03d}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(noise(number)))
        stated = number <= 250
        with_text.append(
            {
                "file_name": name,
                "text": f"picture {number}" if stated else "",
                "licence": ("CC0-1.0" if number < 100 else "CC-BY-3.0") if stated else "",
                "creator": f"Ann | {number % 3}",
            }
        )
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, with_text[0].keys())
        writer.writeheader()
        writer.writerows(with_text)
    (root / "LICENSE").write_text("as stated")
    return root


@pytest.fixture(scope="module")
def made(raw: Path) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aigc.data.shards._ROW_GROUP_BYTES", 1)
        run(spec(raw, raw.parent / "data", near_duplicates="keep"))
    return open_dataset(str(raw.parent / "data"))


def expected(id: str) -> str | None:
    number = int(id.split("/")[1][:3])
    return f"picture {number}" if number <= 250 else None


def test_captions_come_in_stored_order(made: Dataset) -> None:
    assert made.columns == ("image", "label", "id", "caption", "licence", "creator")
    assert len(made.blocks("train")) > 3
    seen = 0
    for split in ("train", "test"):
        ids, captions = made.texts(split, "id"), made.captions(split)
        assert len(ids) == made.counts[split]
        assert captions == [expected(str(id)) for id in ids]
        seen += len(captions)
    assert seen == COUNT
    assert made.texts("train", "caption", 70) == made.captions("train")[:70]


@pytest.mark.parametrize("memory", [2**30, 1000])
def test_batches_carry_their_captions_when_asked(made: Dataset, memory: int) -> None:
    def loader() -> Loader:
        return Loader(made, "train", 7, seed=1, rank=1, world=2, memory_bytes=memory)

    assert loader().in_memory == (memory > 1000)
    captions, order = made.captions("train"), loader().epoch_rows(0)
    plain = itertools.islice(loader().batches(1), 6)
    said = itertools.islice(loader().captioned(1), 6)
    for step, (without, with_captions) in enumerate(zip(plain, said, strict=True), 1):
        assert (without[0] == with_captions[0]).all()
        assert (without[1] == with_captions[1]).all()
        rows = order[step * 7 : step * 7 + 7]
        if len(rows) == 7:
            assert with_captions[2] == [captions[row] for row in rows]
    assert step == 6


def test_a_set_without_captions_says_so(numbered: Dataset) -> None:
    assert numbered.columns == ("image", "label", "id")
    with pytest.raises(DataError, match="has no column 'caption', only image, label, id"):
        numbered.captions("train")
    with pytest.raises(DataError, match="has no column 'caption'"):
        Loader(numbered, "train", 4, seed=0).captioned()


def test_a_set_of_an_earlier_version_opens(numbered: Dataset) -> None:
    old = {k: v for k, v in numbered.info.items() if k not in ("columns", "licences", "creators")}
    assert Dataset(numbered.uri, old).columns == ("image", "label", "id")
    assert len(next(Loader(Dataset(numbered.uri, old), "train", 4, seed=0).batches())[1]) == 4


def test_the_card_names_licences_and_creators(made: Dataset) -> None:
    assert made.info["licences"] == {"CC-BY-3.0": 151, "CC0-1.0": 100, "not stated": 49}
    assert made.info["creators"] == {"Ann | 0": 100, "Ann | 1": 100, "Ann | 2": 100}
    assert made.info["creator_count"] == 3
    card = (Path(made.uri) / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == ["cc-by-3.0", "cc0-1.0"]
    assert "| Ann \\| 1 | CC-BY-3.0 | 51 |" in card
    assert "`caption`, `licence`, `creator`" in card
    with (Path(made.uri) / "attribution.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["images"]) for row in rows) == COUNT
    assert (Path(made.uri) / "LICENSE").read_text() == "as stated"


def test_the_digest_changes_with_a_caption(raw: Path, made: Dataset, tmp_path: Path) -> None:
    fields = {"near_duplicates": "keep"}
    run(spec(raw, tmp_path / "without", caption_column="", **fields))
    run(spec(raw, tmp_path / "again", **fields))
    assert open_dataset(str(tmp_path / "again")).digest == made.digest
    assert open_dataset(str(tmp_path / "without")).digest != made.digest


def test_a_prepared_set_as_a_source_keeps_them(made: Dataset, tmp_path: Path) -> None:
    run(spec(made.uri, tmp_path / "again", near_duplicates="keep"))
    again = open_dataset(str(tmp_path / "again"))
    assert sorted(map(str, again.captions("train"))) == sorted(map(str, made.captions("train")))
    assert again.info["licences"] == made.info["licences"]


PNGS = [encoded(noise(n)) for n in range(4)]


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"image": PNGS, "label": [0, 1, 0, 1], **columns}), path)
    return path


def test_parquet_gives_captions(tmp_path: Path) -> None:
    texts = ["one", "", None, "x" * 10_001]
    path = table(
        tmp_path / "a.parquet", text=texts, license=pa.array(["MIT"] * 4).dictionary_encode()
    )
    chosen = spec(path, "out")
    source = open_source(chosen)
    found = [item for chunk in source.chunks for item in chunk.items(chosen)]
    assert source.columns == ("caption", "licence")
    assert [item.notes.caption for item in found[:3]] == ["one", None, None]
    assert [item.notes.licence for item in found[:3]] == ["MIT"] * 3
    assert found[3].reason == "caption of 10,001 characters, at most 10,000"


def test_the_label_may_be_the_caption(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": PNGS, "kind": ["b", "a", "b", "a"]}), path)
    chosen = spec(path, "out", label_column="kind", caption_column="kind")
    found = [item for chunk in open_source(chosen).chunks for item in chunk.items(chosen)]
    assert [(item.label, item.notes.caption) for item in found] == [(1, "b"), (0, "a")] * 2


def test_a_guessed_column_of_numbers_is_no_caption_and_a_named_one_is_refused(
    tmp_path: Path,
) -> None:
    path = table(tmp_path / "a.parquet", text=[1, 2, 3, 4])
    assert open_source(spec(path, "out")).columns == ()
    with pytest.raises(DataError, match="column 'text' is int64; expected text"):
        open_source(spec(path, "out", caption_column="text"))
    with pytest.raises(DataError, match="no column 'title'; set caption_column to one of"):
        open_source(spec(path, "out", caption_column="title"))


def test_others_read_the_captions(made: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(made.uri, cache_dir=str(tmp_path))["train"]
    assert found["caption"][:] == made.captions("train")
    features = json.loads(
        pq.read_schema(f"{made.uri}/train/part-00000.parquet").metadata[b"huggingface"]
    )
    assert features["info"]["features"]["caption"] == {"dtype": "string", "_type": "Value"}


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_pictures_of_any_aspect_ratio(raw: Path, tmp_path: Path, fit: str) -> None:
    run(spec(raw, tmp_path / "out", size="24x40", fit=fit))
    wide = open_dataset(str(tmp_path / "out"))
    assert (wide.height, wide.width) == (24, 40)
    pixels, labels = wide.read("train")
    assert pixels.shape == (len(labels), 24, 40, 3)
    assert pixels.std() > 10
    mean = pixels.reshape(-1, 3).mean(axis=0) / 255
    assert wide.info["mean"] == pytest.approx(mean.tolist(), abs=1e-5)
    assert run(spec(raw, tmp_path / "out", size=[24, 40], fit=fit))["reused"]
