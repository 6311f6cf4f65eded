"""A model is evaluated on a data set that was divided again after its training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.opening import open_source
from aigc.data.prepare import prepare
from aigc.execution import other_data
from aigc.modalities.image.spec import PrepareImages
from aigc.store import ModelStore, ModelVersion
from aigc.store.version import TRAIN_SPEC, TRAINING_DATA
from tests.models_for_tests import tiny_config, tiny_tensors


def prepared(root: Path, seed: int) -> Dataset:
    """Forty pictures of noise, half of them held out."""
    raw, out = root / "raw", root / f"data-{seed}"
    if not raw.exists():
        raw.mkdir()
        noise = np.random.default_rng(1).integers(0, 256, (40, 16, 16), np.uint8)
        for number, pixels in enumerate(noise):
            Image.fromarray(pixels).save(raw / f"{number}.png")
    asked = PrepareImages(
        source=str(raw), out=str(out), size=16, channels=1, test_fraction=0.5, seed=seed
    )
    prepare(asked, open_source(asked))
    return open_dataset(str(out))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    root = tmp_path_factory.mktemp("divided")
    return prepared(root, 0), prepared(root, 1)


def published(dataset: Dataset, files: dict[str, bytes]) -> ModelVersion:
    config = tiny_config(labels=()).model_copy(update={"data_digest": dataset.digest})
    return ModelStore().publish("tiny-divided", config, tiny_tensors(config), beside=files)


def ids(dataset: Dataset, split: str) -> set[str | None]:
    return set(dataset.texts(split, "id"))


@pytest.mark.parametrize("file", [TRAINING_DATA, TRAIN_SPEC])
def test_test_items_of_the_training_are_counted(data: tuple[Dataset, Dataset], file: str) -> None:
    trained, other = data
    version = published(trained, {file: json.dumps({"data": trained.uri}).encode()})
    assert other_data.of(version, trained) is None
    found = other_data.of(version, other)
    assert found is not None
    seen = len(ids(trained, "train") & ids(other, "test"))
    assert 0 < seen < 20
    assert (found.digest, found.seen) == (trained.digest, seen)
    assert f"(digest {trained.digest[:12]}) than {other.uri}" in found.note
    assert f"it has seen {seen} of the 20 test images in training" in found.note


def test_data_that_is_gone_leaves_it_unknown(data: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    trained, other = data
    for place in (str(tmp_path / "gone"), other.uri):
        version = published(trained, {TRAINING_DATA: json.dumps({"data": place}).encode()})
        found = other_data.of(version, other)
        assert found is not None
        assert found.seen is None
        assert "is not at hand, so it is unknown" in found.note
    found = other_data.of(published(trained, {}), other)
    assert found is not None
    assert found.seen is None


def test_a_model_that_names_no_data_is_not_judged(data: tuple[Dataset, Dataset]) -> None:
    config = tiny_config(labels=())
    version = ModelStore().publish("tiny-divided", config, tiny_tensors(config))
    assert other_data.of(version, data[0]) is None
