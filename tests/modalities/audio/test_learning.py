"""What training and evaluation ask of sounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from aigc.errors import SpecError
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.modalities import MODALITIES, modality_of
from aigc.modalities.audio.learning import AudioLearning
from aigc.modalities.base import ItemType
from aigc.types import Labels

ITEM = ItemType((4000, 1), "int16", 8000)
LEARNING = AudioLearning()


def items(count: int) -> tuple[npt.NDArray[np.int16], Labels]:
    """Low sines, high sines and noise in turn, int16 (N, 4000, 1)."""
    rng = np.random.default_rng(1)
    time, labels = np.arange(4000) / 8000, np.arange(count) % 3
    made = np.zeros((count, 4000, 1), np.int16)
    for row, label in zip(made, labels, strict=True):
        pitch = rng.uniform(100, 300) if label == 0 else rng.uniform(1500, 2500)
        sound = np.sin(2 * np.pi * pitch * time) if label < 2 else rng.standard_normal(4000) / 3
        row[:, 0] = 20_000 * np.clip(sound, -1, 1) * np.exp(-rng.uniform(3, 9) * time)
    return made, labels


def test_tensors_are_full_scale_and_channels_first() -> None:
    stored = np.array([[[-32768, 0], [16384, 32767]]], np.int16)
    tensors = LEARNING.tensors(stored)
    assert tensors.dtype == torch.float32
    assert tensors.tolist() == [[[-1.0, 0.5], [0.0, 32767 / 32768]]]


def test_people_see_low_bands_at_the_bottom() -> None:
    made, _ = items(2)
    low, high = LEARNING.drawn(made, ITEM)
    assert low.shape == (64, LEARNING.representation(ITEM).shape[2], 1)
    assert low.mean((1, 2)).argmax() > 40
    assert high.mean((1, 2)).argmax() < 30


def test_channels_are_drawn_below_each_other() -> None:
    made, _ = items(1)
    stereo = np.concatenate([made, np.zeros_like(made)], axis=2)
    [drawn] = LEARNING.drawn(stereo, ItemType((4000, 2), "int16", 8000))
    assert drawn[:64].any()
    assert not drawn[64:].any()


def test_features_tell_classes_apart_and_are_learnt_alike_again() -> None:
    made, labels = items(60)
    weights = LEARNING.learnt(made[:45], labels[:45], 3, ITEM)
    again = LEARNING.learnt(made[:45], labels[:45], 3, ITEM)
    extractor = LEARNING.extractor(weights, ITEM, "cpu")
    assert extractor.name == LEARNING.extractor(again, ITEM, "cpu").name
    seen: list[int] = []
    features = extractor(made, seen.append)
    assert sum(seen) == 60
    assert features.shape == (60, 64)
    assert np.abs(features[:45].mean(0)).max() < 0.1
    centres = np.stack([features[:45][labels[:45] == label].mean(0) for label in range(3)])
    held_out = ((features[45:, None] - centres) ** 2).sum(2).argmin(1)
    assert (held_out == labels[45:]).mean() > 0.9
    pictures = LEARNING.representation(ITEM).pictures(LEARNING.tensors(made))
    assert np.allclose(extractor.of_pictures(pictures), features, atol=1e-4)


def test_without_classes_the_features_are_averages() -> None:
    made, labels = items(12)
    weights = LEARNING.learnt(made, np.zeros_like(labels), 0, ITEM)
    extractor = LEARNING.extractor(weights, ITEM, "cpu")
    assert set(weights) == {"mean", "deviation"}
    assert extractor.name.startswith("spectrogram-averages")
    assert extractor(made).shape == (12, 64)


def test_learning_leaves_the_random_numbers_of_a_run_alone() -> None:
    made, labels = items(12)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    LEARNING.learnt(made, labels, 3, ITEM)
    assert torch.equal(torch.rand(3), expected)


def test_inception_sees_no_sounds() -> None:
    with pytest.raises(SpecError, match=r"^inception_weights = 'w.pth': .* leave it out$"):
        LEARNING.inception("w.pth")


def test_items_of_another_length_or_rate_cannot_be_compared() -> None:
    assert LEARNING.unlike(ITEM, ITEM) is None
    found = LEARNING.unlike(ITEM, ItemType((4000, 1), "int16", 16_000))
    assert found is not None
    assert found[2] == "seconds: 0.5, rate: 8000, channels: 1"


def test_a_model_folder_speaks_of_samples_instead_of_pixels() -> None:
    values = {"samples": 4000, "rate_hz": 8000, "channels": 1}
    config = ModelConfig(modality="audio", architecture=GanModel(), **values)
    assert config.item == ITEM
    assert modality_of(config.item) is MODALITIES["audio"]
    assert modality_of(ItemType((28, 28, 1), "uint8")) is MODALITIES["image"]
    told = config.model_dump()
    assert {name: told[name] for name in values} == values
    assert not {"height", "width", "fit"} & set(told)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modality": "smell", "channels": 1}, "modality 'smell' is not one of those known"),
        (
            {"modality": "audio", "rate_hz": 8000, "channels": 1},
            "samples of sounds: field required",
        ),
        ({"modality": "audio", "samples": 4000, "rate_hz": 8000, "channels": 3}, "channels of sou"),
        ({"height": 28, "width": 28, "samples": 9, "channels": 1}, "samples of images: extra"),
    ],
)
def test_sizes_that_are_missing_or_of_another_kind_are_named(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.model_validate({"architecture": {"family": "gan"}, **values})
