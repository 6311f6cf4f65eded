"""What networks see of a data set's items."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from aigc.data.dataset import Dataset
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items

View: TypeAlias = Callable[[Items], Tensor]
"""Stored items (N, *shape) to pictures float32 (N, C, H, W) in [-1, 1], on the CPU."""


def view_of(dataset: Dataset) -> View:
    learning = MODALITIES[dataset.modality].learning
    representation = learning.representation(dataset.item)
    return lambda items: representation.pictures(learning.tensors(items))
