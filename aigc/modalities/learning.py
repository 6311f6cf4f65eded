"""What training and evaluation ask of a modality: the tensors and pictures of its items.

Networks of every modality take and make *pictures*, float32 (N, C, H, W) in [-1, 1]: an image is
its own, a sound's is its spectrogram. So one set of networks, losses and priors serves all, and
what is published turns its pictures back into items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from aigc.strict import Spec
from aigc.types import Labels, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor

    from aigc.modalities.base import ItemType

Features: TypeAlias = npt.NDArray[np.float32]
"""(N, D) feature vectors, a row an item."""
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""What an extractor has learnt from a data set, by name; empty where it learns nothing."""
Seen: TypeAlias = Callable[[int], None]
"""Is told how many items each step has done."""


def default_device() -> Literal["cpu", "cuda"]:
    """`cuda` if PyTorch has a GPU, else `cpu`: where training, evaluation and extractors run when
    no device is given."""
    import torch  # noqa: PLC0415

    return "cuda" if torch.cuda.is_available() else "cpu"


class Sizes(Spec):
    """What a model folder's `config.json` says of an item's shape, in fields of the modality."""

    @property
    def item(self) -> ItemType:
        raise NotImplementedError

    @classmethod
    def of(cls, item: ItemType) -> Sizes:
        """Raises ValueError when the modality has no such item."""
        raise NotImplementedError


class Representation(Protocol):
    """The pictures of items of one type. Row i of a result follows from row i alone."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        ...

    def pictures(self, tensors: Tensor) -> Tensor:
        """Network tensors of the modality (N, ...) to pictures float32 (N, C, H, W) in [-1, 1],
        channels last in memory."""
        ...

    def restored(self, pictures: Tensor) -> Tensor:
        """Pictures to network tensors of the modality, float32 (N, ...) in [-1, 1]."""
        ...


class Extractor(Protocol):
    """Features that distances between sets of items are taken in."""

    @property
    def name(self) -> str:
        """Identifies weights and preprocessing: equal names, equal figures."""
        ...

    def __call__(self, items: npt.NDArray[Any], seen: Seen | None = None) -> Features:
        """Features of stored items (N, *shape)."""
        ...

    def of_pictures(self, pictures: Tensor) -> Features:
        """Features of what networks made, (N, C, H, W), without making items of it first."""
        ...


class Learning(Protocol):
    """How stored items become what networks train on, and how sets of them are compared."""

    mirrors: bool
    """Whether an item mirrored left to right can be an item of the same kind."""
    picture: str
    """What people are shown of an item: `image`, `spectrogram`."""
    level: str
    """What one of the 255 steps of a picture's values is: `grey level`."""
    task: str
    """What model hubs call the making of such items; empty where they have no word."""
    learns: bool
    """Whether the extractor learns from the data."""

    @property
    def sizes(self) -> type[Sizes]: ...

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Which of `objectives.augment` leave an item what it is."""

    def usual_augmentations(self, channels: int) -> tuple[str, ...]:
        """Those for few items of so many channels."""

    def tensors(self, items: npt.NDArray[Any]) -> Tensor:
        """Stored items (N, *shape) to network tensors of the modality, float32 (N, ...) in
        [-1, 1]."""

    def representation(self, item: ItemType) -> Representation: ...

    def shown(self, pictures: Tensor) -> UInt8Images:
        """Pictures of networks, clipped to [-1, 1], as uint8 (N, H, W, C) for people."""

    def drawn(self, items: npt.NDArray[Any], item: ItemType) -> UInt8Images:
        """Stored items as such pictures."""

    def learnt(
        self, items: npt.NDArray[Any], labels: Labels, classes: int, item: ItemType
    ) -> Weights:
        """What the extractor learns from training items (N, *shape) and labels (N,); empty where it
        comes with its weights, and `items` are not looked at."""

    def extractor(self, weights: Weights, item: ItemType, device: str | None = None) -> Extractor:
        """The standing extractor. Without a `device` it runs on the GPU if there is one."""

    def unlike(self, made: ItemType, stored: ItemType) -> tuple[str, str, str] | None:
        """Why items that were `made` cannot be compared with `stored` ones: what the first are,
        what the others are, and how to prepare data that fit. None where they can."""

    def inception(self, path: str) -> Extractor:
        """Inception-v3, from weights on disk, for the classic FID.

        Raises:
            SpecError: the modality has no such figure.
            DataError: the file is missing or holds something else.
        """
