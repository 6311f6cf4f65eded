"""`Learning` of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc.modalities.base import ItemType
from aigc.modalities.image import to_network, to_pixels
from aigc.modalities.learning import Extractor, Sizes, Weights
from aigc.strict import WHITE, Fit
from aigc.types import Labels, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor


class ImageSizes(Sizes):
    height: int = Field(ge=8)
    width: int = Field(ge=8)
    channels: Literal[1, 3]
    fit: Fit = "crop"
    """How images of other aspect ratios were brought into shape."""
    background: str = WHITE
    """Colour behind transparent images and around padded ones, #rrggbb."""

    @property
    def item(self) -> ItemType:
        return ItemType((self.height, self.width, self.channels), "uint8")

    @classmethod
    def of(cls, item: ItemType) -> ImageSizes:
        height, width, channels = item.shape
        return cls.model_validate({"height": height, "width": width, "channels": channels})


@dataclass(frozen=True)
class Pixels:
    """Images are their own pictures."""

    shape: tuple[int, int, int]

    def pictures(self, tensors: Tensor) -> Tensor:
        return tensors

    def restored(self, pictures: Tensor) -> Tensor:
        return pictures


class ImageLearning:
    """Pixels, uint8 (H, W, C)."""

    sizes = ImageSizes
    augmentations = ("translate", "cutout", "brightness")
    mirrors = True
    picture = "image"
    level = "grey level"
    task = "unconditional-image-generation"
    learns = False

    def usual_augmentations(self, channels: int) -> tuple[str, ...]:
        return ("translate", "brightness") if channels == 3 else ("translate",)

    def tensors(self, items: UInt8Images) -> Tensor:
        return to_network(items)

    def representation(self, item: ItemType) -> Pixels:
        height, width, channels = item.shape
        return Pixels((channels, height, width))

    def shown(self, pictures: Tensor) -> UInt8Images:
        return to_pixels(pictures)

    def drawn(self, items: UInt8Images, item: ItemType) -> UInt8Images:
        return items

    def learnt(self, items: UInt8Images, labels: Labels, classes: int, item: ItemType) -> Weights:
        return {}

    def extractor(self, weights: Weights, item: ItemType, device: str | None = None) -> Extractor:
        """EfficientNet-lite0, which learnt from ImageNet."""
        from aigc.modalities.image.features import efficientnet_lite0  # noqa: PLC0415

        return efficientnet_lite0(device)

    def unlike(self, made: ItemType, stored: ItemType) -> tuple[str, str, str] | None:
        """Of other sizes they can."""
        channels, others = made.shape[-1], stored.shape[-1]
        if channels == others:
            return None
        return f"{channels} channel(s)", str(others), f"channels: {channels}"

    def inception(self, path: str) -> Extractor:
        from aigc.modalities.image.features import inception_v3  # noqa: PLC0415

        return inception_v3(path)
