"""What a model folder says of itself: `config.json`, all that is needed to run the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from aigc.errors import listed
from aigc.families import FAMILIES
from aigc.families.architecture import Architecture
from aigc.families.protocol import Family
from aigc.modalities import MODALITIES
from aigc.modalities.base import ItemType
from aigc.modalities.learning import Learning, Representation
from aigc.strict import Fit, Spec

if TYPE_CHECKING:
    from aigc.families.origin import Origin

_SIZES = ("height", "width", "samples", "rate_hz", "channels", "fit")


class ModelConfig(Spec):
    """Enough to build the network, feed it and name what it makes."""

    format: Literal[1] = 1
    modality: str = "image"
    """A key of `MODALITIES`, whose `sizes` say which of the next fields there are."""
    architecture: Architecture
    height: int = 0
    width: int = 0
    samples: int = 0
    rate_hz: int = 0
    channels: int
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

    @model_validator(mode="after")
    def _of_its_modality(self) -> Self:
        if self.modality not in MODALITIES:
            known = ", ".join(MODALITIES)
            raise ValueError(f"modality {self.modality!r} is not one of those known: {known}")
        given = {name: getattr(self, name) for name in _SIZES if name in self.model_fields_set}
        try:
            self.learning.sizes.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            reason = first["msg"][:1].lower() + first["msg"][1:]
            raise ValueError(f"{name} of {MODALITIES[self.modality].title}: {reason}") from None
        return self

    @model_serializer(mode="wrap")
    def _without_other_sizes(self, every: SerializerFunctionWrapHandler) -> dict[str, Any]:
        own = self.learning.sizes.model_fields
        return {name: value for name, value in every(self).items()
                if name in own or name not in _SIZES}  # fmt: skip

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
    def origin(self) -> Origin | None:
        """Where it comes from, if it was imported."""
        found: Origin | None = getattr(self.architecture, "imported", None)
        return found

    @property
    def learning(self) -> Learning:
        """What training and evaluation ask of its kind of content."""
        return MODALITIES[self.modality].learning

    @property
    def item(self) -> ItemType:
        """One item as the model makes it."""
        sizes = self.learning.sizes
        values = {name: getattr(self, name) for name in sizes.model_fields}
        return sizes.model_validate(values).item

    @property
    def representation(self) -> Representation:
        """What its networks see of an item."""
        return self.learning.representation(self.item)

    @property
    def picture(self) -> tuple[int, int, int]:
        """(C, H, W) of what its networks take and make."""
        return self.representation.shape
