"""Whole evaluations of sets whose truth is known, on the digits."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.spool import empty_items
from aigc.errors import DataError, SpecError
from aigc.evaluation import evaluate, evaluate_samples, planned_images
from aigc.evaluation.cache import FOLDER
from aigc.evaluation.kid import kernel_distance
from aigc.evaluation.reference import count_images
from aigc.evaluation.table import as_text
from aigc.specs import EvaluateSpec
from aigc.types import Json

SAMPLES = 150


def spec_for(dataset: Dataset, **fields: Any) -> EvaluateSpec:
    return EvaluateSpec(
        **{"model": "m", "data": dataset.uri, "out": "report", "samples": SAMPLES} | fields
    )


@pytest.fixture(scope="module")
def digits(digits_data: str, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A copy without a cache: features that others kept may have been computed on more threads,
    which decide the last digit."""
    return open_dataset(uncached(digits_data, tmp_path_factory.mktemp("digits") / "data"))


def uncached(data: str, copy: Path) -> str:
    return str(shutil.copytree(data, copy, ignore=shutil.ignore_patterns(FOLDER)))


@pytest.fixture(scope="module")
def fresh(digits: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Training images moved by one pixel: as varied as real ones, and no copies."""
    pixels, labels = digits.read("train", SAMPLES, seed=5)
    return np.roll(pixels, 1, axis=2), labels


@pytest.fixture(scope="module")
def healthy(digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]) -> Json:
    return evaluate_samples(*fresh, digits, spec_for(digits))


def without_times(found: Json) -> Json:
    return {key: value for key, value in found.items() if key != "seconds"}


def test_pixels_in_files_give_the_same_figures(
    digits: Dataset,
    fresh: tuple[np.ndarray, np.ndarray],
    healthy: Json,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Of a copy of the data, which has no features in its cache."""
    pixels = empty_items(fresh[0].shape, 0)
    pixels[...] = fresh[0]
    in_files: list[bool] = []
    read = Dataset.read

    def watched(self: Dataset, *arguments: Any) -> Any:
        found = read(self, *arguments)
        in_files.append(isinstance(found[0], np.memmap))
        return found

    monkeypatch.setattr(Dataset, "read", watched)
    copy = open_dataset(uncached(digits.uri, tmp_path / "copy"))
    found = evaluate_samples(pixels, fresh[1], copy, spec_for(copy, memory_bytes=0))
    assert in_files == [True] * 3
    assert without_times(found) | {"data": None} == without_times(healthy) | {"data": None}


def test_a_healthy_set_passes(healthy: Json) -> None:
    assert healthy["collapse"]["verdict"] == "none"
    assert healthy["memorisation"]["verdict"] == "none"
    figures = healthy["figures"]
    assert figures["recall"]["model"] > 0.4
    assert figures["label_agreement"]["model"] > 0.8
    assert figures["modes"] == {"model": 10, "floor": 10, "better": "higher"}
    assert figures["fd"]["low"] < figures["fd"]["model"] < figures["fd"]["high"]
    assert json.loads(json.dumps(healthy, allow_nan=False)) == healthy


def test_it_says_how_figures_were_taken(healthy: Json, digits: Dataset) -> None:
    protocol = healthy["protocol"]
    assert protocol["split"] == "test"
    assert protocol["counts"]["samples"] == SAMPLES
    assert protocol["counts"]["prdc"] == SAMPLES
    assert "no --inception-weights" in protocol["inception"]
    assert healthy["data"]["digest"] == digits.digest
    assert healthy["seconds"]["total"] > 0


def test_the_same_seed_gives_the_same_figures_from_the_cache(
    healthy: Json, digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]
) -> None:
    again = evaluate_samples(*fresh, digits, spec_for(digits))
    assert without_times(again) == without_times(healthy)
    other = evaluate_samples(*fresh, digits, spec_for(digits, seed=1))
    assert other["figures"]["fd"]["floor"] != healthy["figures"]["fd"]["floor"]


def test_a_collapsed_set_is_flagged(digits: Dataset) -> None:
    pixels, labels = digits.read("train", 3, seed=1)
    picked = np.arange(SAMPLES) % 3
    noise = np.random.default_rng(0).integers(-2, 3, (SAMPLES, 16, 16, 1))
    made = np.clip(pixels[picked] + noise, 0, 255).astype(np.uint8)
    found = evaluate_samples(made, labels[picked], digits, spec_for(digits))
    assert found["collapse"]["verdict"].startswith("suspected: ")
    assert found["figures"]["coverage"]["model"] < 0.2
    assert "collapse: suspected" in as_text(found)


def test_copies_of_training_images_are_caught(digits: Dataset) -> None:
    copies = digits.read("train", SAMPLES, seed=2)
    found = evaluate_samples(*copies, digits, spec_for(digits))
    assert found["memorisation"]["verdict"].startswith("suspected: 100.0%")
    assert found["memorisation"]["copies"]["model"] == 1
    assert found["collapse"]["verdict"] == "none"


def test_the_page_is_a_picture_of_all_of_it(
    digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]
) -> None:
    page = evaluate(*fresh, digits, spec_for(digits)).page("digits@v1", "sixteen pixels")
    image = Image.open(io.BytesIO(page))
    assert image.width == 2200
    assert 1500 < image.height < 4000
    assert len(image.convert("L").getcolors(256) or []) > 100


def test_unconditional_samples_leave_agreement_out(
    digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]
) -> None:
    found = evaluate(fresh[0], None, digits, spec_for(digits))
    assert "label_agreement" not in found.figures["figures"]
    assert any("takes no labels" in note for note in found.figures["notes"])
    assert found.page("digits@v1", "").startswith(b"\x89PNG")


def test_data_without_classes_leaves_class_figures_out(
    digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]
) -> None:
    unlabelled = Dataset(digits.uri, digits.info | {"labels": [], "per_class": {}})
    found = evaluate(fresh[0], None, unlabelled, spec_for(digits))
    assert found.figures["classes"] is None
    assert any("no classes" in note for note in found.figures["notes"])
    assert found.page("digits@v1", "").startswith(b"\x89PNG")


def test_another_size_is_compared_and_said(digits: Dataset) -> None:
    small = np.zeros((SAMPLES, 8, 8, 1), np.uint8)
    found = evaluate_samples(small, None, digits, spec_for(digits))
    assert any("samples are 8×8, the data 16×16" in note for note in found["notes"])


def test_progress_goes_to_its_end(digits: Dataset, fresh: tuple[np.ndarray, np.ndarray]) -> None:
    told: list[tuple[float, float]] = []
    spec = spec_for(digits)
    evaluate_samples(*fresh, digits, spec, lambda done, total, **_: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (planned_images(digits, spec), planned_images(digits, spec))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prdc_samples": 5000}, "prdc_samples = 5000: .* choose at most 150"),
        ({"neighbours": 150}, "neighbours = 150: choose fewer"),
        ({"samples": 151}, "samples = 151: 150 images were given"),
        ({"inception_weights": "none.pth"}, "none.pth: there is no such file"),
    ],
)
def test_what_cannot_be_given_is_one_line(
    digits: Dataset, fresh: tuple[np.ndarray, np.ndarray], fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises((SpecError, DataError), match=reason):
        evaluate_samples(*fresh, digits, spec_for(digits, **fields))


def test_other_channels_are_refused(digits: Dataset) -> None:
    colour = np.zeros((SAMPLES, 16, 16, 3), np.uint8)
    with pytest.raises(SpecError, match="prepare the data with channels: 3"):
        evaluate_samples(colour, None, digits, spec_for(digits))


@pytest.mark.parametrize(("test", "block"), [(50, 12), (56, 14), (150, 37)])
def test_kid_of_few_items_has_an_interval(digits: Dataset, test: int, block: int) -> None:
    few = Dataset(digits.uri, digits.info | {"counts": {"train": 1500, "test": test}})
    counts = count_images(few, spec_for(digits))
    assert counts.kid_block == block
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, 8)).astype(np.float32) for n in (test, counts.samples))
    assert kernel_distance(x, y, counts.kid_block, 0).standard_error > 0


def test_a_tiny_split_is_refused(digits: Dataset) -> None:
    tiny = Dataset(digits.uri, digits.info | {"counts": {"train": 1500, "test": 7}})
    with pytest.raises(DataError, match="the test split has 7 images, evaluation needs at least"):
        count_images(tiny, spec_for(digits))
