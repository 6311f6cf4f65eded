"""`Learning` of sounds."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aigc.errors import SpecError
from aigc.modalities.base import ItemType
from aigc.modalities.learning import Extractor, Representation, Sizes, Weights
from aigc.types import Labels, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor

_FULL_SCALE = 32768
_AT_ONCE = 256


class SoundSizes(Sizes):
    samples: int = Field(ge=256)
    """Of each channel."""
    rate_hz: int = Field(ge=4_000, le=96_000)
    channels: Literal[1, 2]

    @property
    def item(self) -> ItemType:
        return ItemType((self.samples, self.channels), "int16", self.rate_hz)

    @classmethod
    def of(cls, item: ItemType) -> SoundSizes:
        samples, channels = item.shape
        values = {"samples": samples, "rate_hz": item.rate_hz, "channels": channels}
        return cls.model_validate(values)


class AudioLearning:
    """Samples, int16 (T, C); network tensors are float32 (N, C, T) in [-1, 1]."""

    sizes = SoundSizes
    augmentations = ("delay", "level", "mute")
    mirrors = False
    picture = "spectrogram"
    level = "0.31-dB level"
    task = ""
    learns = True

    def usual_augmentations(self, channels: int) -> tuple[str, ...]:
        return ("delay", "level")

    def tensors(self, items: npt.NDArray[np.int16]) -> Tensor:
        import torch  # noqa: PLC0415

        return torch.from_numpy(items).transpose(1, 2).float().div_(_FULL_SCALE)

    def representation(self, item: ItemType) -> Representation:
        from aigc.modalities.audio.spectrogram import MelPictures  # noqa: PLC0415

        samples, channels = item.shape
        assert item.rate_hz is not None
        return MelPictures(samples, item.rate_hz, channels)

    def shown(self, pictures: Tensor) -> UInt8Images:
        """Grey, the lowest band at the bottom, time from left to right; the channels of a sound
        below each other."""
        from aigc.modalities.image import to_pixels  # noqa: PLC0415

        levels = to_pixels(pictures.flip(2))
        count, height, width, channels = levels.shape
        stacked = levels.transpose(0, 3, 1, 2).reshape(count, channels * height, width, 1)
        return np.ascontiguousarray(stacked)

    def drawn(self, items: npt.NDArray[np.int16], item: ItemType) -> UInt8Images:
        representation = self.representation(item)
        starts = range(0, max(1, len(items)), _AT_ONCE)
        parts = (self.tensors(items[start : start + _AT_ONCE]) for start in starts)
        return np.concatenate([self.shown(representation.pictures(part)) for part in parts])

    def learnt(
        self, items: npt.NDArray[np.int16], labels: Labels, classes: int, item: ItemType
    ) -> Weights:
        """A classifier of the spectrograms; without classes nothing but their scale."""
        from aigc.modalities.audio.features import learnt  # noqa: PLC0415

        representation = self.representation(item)
        starts = range(0, len(items), _AT_ONCE)
        parts = (self.tensors(items[start : start + _AT_ONCE]) for start in starts)
        return learnt((representation.pictures(part) for part in parts), labels, classes)

    def extractor(self, weights: Weights, item: ItemType, device: str | None = None) -> Extractor:
        from aigc.modalities.audio.features import SoundExtractor  # noqa: PLC0415

        representation = self.representation(item)
        pictures = functools.partial(_pictures, self, representation)
        return SoundExtractor(weights, pictures, device)

    def unlike(self, made: ItemType, stored: ItemType) -> tuple[str, str, str] | None:
        if made == stored:
            return None
        samples, channels = made.shape
        rate = made.rate_hz or 1
        how = f"seconds: {samples / rate:g}, rate: {rate}, channels: {channels}"
        return _in_words(made), _in_words(stored), how

    def inception(self, path: str) -> Extractor:
        raise SpecError(
            f"inception_weights = {path!r}: Inception sees images, not sounds; leave it out"
        )


def _in_words(item: ItemType) -> str:
    samples, channels = item.shape
    return f"{samples:,} samples of {channels} channel(s) at {item.rate_hz:,} Hz"


def _pictures(
    learning: AudioLearning, representation: Representation, items: npt.NDArray[np.int16]
) -> Tensor:
    return representation.pictures(learning.tensors(items))
