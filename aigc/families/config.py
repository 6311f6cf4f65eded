"""What a model folder says of itself: `config.json`, all that is needed to run the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from aigc.errors import listed
from aigc.families import FAMILIES
from aigc.families.architecture import Architecture
from aigc.families.protocol import Family
from aigc.strict import Fit, Spec

if TYPE_CHECKING:
    from aigc.modalities.base import ItemType


class ModelConfig(Spec):
    """Enough to build the network, feed it and name what it makes."""

    format: Literal[1] = 1
    modality: Literal["image"] = "image"
    architecture: Architecture
    height: int = Field(ge=8)
    width: int = Field(ge=8)
    channels: Literal[1, 3]
    labels: tuple[str, ...] = ()
    """Class names, in the order of the indices the network was trained with; empty when the data
    had none. An unconditional network ignores them."""
    untrained: tuple[str, ...] = ()
    """Labels that had no training pictures: made only when they are asked for by name."""
    synonyms: dict[str, str] = Field(default_factory=dict)
    """Other words that prompts may use, each with the label it means."""
    fit: Fit = "crop"
    """How the data's pictures of other aspect ratios were brought into shape."""
    data_digest: str = ""
    """Content digest of the data set the weights were trained on."""

    @field_validator("synonyms")
    @classmethod
    def _mean_labels(cls, synonyms: dict[str, str], known: ValidationInfo) -> dict[str, str]:
        labels = known.data.get("labels", ())
        if not getattr(known.data.get("architecture"), "conditional", True):
            labels = ()
        for word, label in synonyms.items():
            if not word.strip() or label not in labels:
                there = listed(labels) or "none"
                raise ValueError(f"{word!r} means {label!r}, expected one of the labels: {there}")
        return synonyms

    @property
    def usual(self) -> tuple[str, ...]:
        """The labels that are made when none is asked for."""
        return tuple(name for name in self.labels if name not in self.untrained) or self.labels

    @property
    def family(self) -> Family:
        return FAMILIES[self.architecture.family]

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the `CONDITIONS` that the model takes."""
        return self.family.takes(self)

    @property
    def conditional(self) -> bool:
        """Whether it takes one of `labels`."""
        return "label" in self.takes

    @property
    def latent_dim(self) -> int | None:
        """Numbers of a latent vector; None where the family has none."""
        found: int | None = getattr(self.architecture, "latent_dim", None)
        return found

    @property
    def item(self) -> ItemType:
        """One item as the model makes it."""
        from aigc.modalities.base import ItemType  # noqa: PLC0415

        return ItemType((self.height, self.width, self.channels), "uint8")
