"""What a kind of content is: the parts that every other room asks of it.

A modality is one entry of `MODALITIES`. Its parts are plain objects without state; they load what
is heavy (torch, decoders) when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aigc.modalities.classified import Classified
from aigc.modalities.delivery import Delivery
from aigc.modalities.item import Items, ItemType
from aigc.modalities.learning import Learning
from aigc.modalities.prepare_spec import PrepareSpec
from aigc.modalities.traced import Traced
from aigc.types import Json

__all__ = ["Delivery", "ItemType", "Items", "Learning", "Modality", "RejectError", "Source"]


class RejectError(ValueError):
    """A raw input that cannot become an item of a data set; the message is the reason, one line."""


class Source(Protocol):
    """How raw files become the items of a data set, and how a data set stores them.

    Its methods take an instance of its own `spec`. What they return is a function of their
    arguments alone, on any machine of one kind, whatever else runs at the same time.
    """

    noun: str
    """One item, in a sentence: `image`."""
    column: str
    """Of the encoded items in the shards of a data set; usual in Parquet sources too."""
    suffix: str
    """Of the paths of stored items: `.png`."""
    compresses: bool
    """Whether general compression makes encoded items smaller."""
    suffixes: frozenset[str]
    """Of raw files, in small letters: by these the kind of a source is recognised."""
    blank: int
    """The value of an empty place on a sheet."""
    values: str
    """What statistics are of, and in which range: `training pixels (0..1)`."""
    full_scale: float
    """What the value 1 means in statistics: the mean and standard deviation are divided by it."""

    @property
    def spec(self) -> type[PrepareSpec]:
        """What a user can ask of `aigc data prepare` for this kind of content."""

    def require(self) -> None:
        """Raises SpecError where an optional library is missing, with the line that installs it."""

    def quiet(self) -> AbstractContextManager[None]:
        """While entered, decoders do not warn: what matters is a reason in the rejects."""

    def item(self, spec: Any) -> ItemType:
        """What each item of the data set is."""

    def identity(self, spec: Any) -> tuple[object, ...]:
        """What of the item is part of a data set's digest, next to the values themselves."""

    def describe(self, spec: Any) -> Json:
        """Fields of `dataset.json` that only this kind of content has."""

    def feature(self, item: ItemType) -> Json:
        """Hugging Face's feature of the column."""

    def most_file_bytes(self, spec: Any) -> int:
        """Larger files are rejected unread."""

    def read(self, data: bytes, spec: Any) -> Items:
        """A raw file as one item. Raises RejectError when it cannot become one."""

    def encode(self, items: Items, item: ItemType) -> list[bytes]:
        """Each item as it is stored: without loss, in a format that other programs read."""

    def decode(self, data: bytes, item: ItemType) -> Items:
        """One stored item. Raises ValueError when it is damaged or of another type."""

    def plane(self, items: Items) -> npt.NDArray[np.float64]:
        """(N, H, W) in 0..255: the picture of each item by which near duplicates are found."""

    def compared(self, items: Items) -> npt.NDArray[Any]:
        """(N, ...) the values of each item that `distance` compares, in a small dtype: many are
        held in memory at a time."""

    def distance(self, left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """(N,) root mean squared differences in 0..255 of pairs of rows from `compared`. Never
        below the difference of their planes."""

    def sheet(self, items: Items, columns: int, captions: Sequence[str] | None) -> bytes:
        """A PNG of (N, ...) items row by row; `captions`, one a row, on the left."""

    def in_words(self, item: ItemType) -> str:
        """The item's type for a card: `64 x 64 RGB`."""

    def steps(self, spec: Any) -> str:
        """What was done to each raw file, for a card."""

    def changes(self) -> str:
        """The same in one sentence, for an attribution."""


@dataclass(frozen=True)
class Modality:
    """A kind of content."""

    title: str
    """Several of its items, in a sentence: `images`."""
    delivery: Delivery
    source: Source
    learning: Learning
    classified: Classified | None = None
    """None: there is no classifier for its items."""
    traced: Traced | None = None
    """None: its items are found again by metadata and by their bytes alone."""
    latent_operations: bool = False
    """Whether requests may walk between its items, vary and edit them."""
