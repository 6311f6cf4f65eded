"""Gates: checks that a generated item must pass to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from aigc.strict import Fraction, Location, Spec


class DegenerateGate(Spec):
    """Refuses items without content: images of a single flat tone or overexposed, sounds that are
    silent or clipped, and everything that is not finite."""

    min_std: float = Field(2.0, ge=0)
    """Images only: smallest allowed standard deviation of the grey levels (0..255). An image below
    it is refused as `blank`."""
    max_saturated: Fraction = 0.98
    """Images only: largest allowed share of pixel values that are 0 or 255. An image above it is
    refused as `saturated`."""
    silence_db: float = Field(-60.0, ge=-96, le=0, exclude_if=lambda found: found == -60.0)
    """Sounds only, in decibels of full scale: a sound whose highest sample is lower is refused as
    `silent`."""
    max_clipped: Fraction = Field(0.01, exclude_if=lambda found: found == 0.01)
    """Sounds only: largest allowed share of samples at full scale. A sound above it is refused as
    `clipped`."""


class RealismGate(Spec):
    """Refuses the items with the lowest realism score."""

    score: Literal["discriminator", "density"] = "discriminator"
    """`discriminator`: output of the discriminator that is published with the model. `density`: how
    densely training images lie around the image in feature space (Kynkaanniemi et al. 2019, eq. 3).
    Higher is better for both."""
    data: Location | None = None
    """Data set the model was trained on, made by `aigc data prepare`. Required for `density`, and
    refused with `discriminator`, which does not use it."""
    percentile: float | None = Field(None, gt=0, lt=100)
    """Refuse the lowest-scoring share, in per cent, between 0 and 100. The score it corresponds to
    is measured on a probe before the job. Set this or `threshold`."""
    threshold: float | None = None
    """Refuse items that score below this value. Set this or `percentile`."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.percentile is None) == (self.threshold is None):
            raise ValueError("set percentile or threshold, one of the two")
        if self.score == "density" and self.data is None:
            raise ValueError("score density needs data: the training set to compare with")
        return self


class DuplicateGate(Spec):
    """Of two alike items of the whole job, delivers only the one with the lower candidate
    number."""

    near: bool = True
    """Also refuse near duplicates. False refuses only items with identical pixels."""
    distance: int = Field(2, ge=0, le=8)
    """Number of bits, 0..8, by which the 64-bit perceptual hashes of two near duplicates may
    differ."""
    rmse: float = Field(4.0, ge=0, le=255)
    """Largest root mean squared difference of the 8x8 grey thumbnails (0..255) at which a match of
    the hashes counts as a duplicate."""


class MemorisationGate(Spec):
    """Refuses images that are too close to a training image."""

    data: Location
    """Data set the model was trained on, made by `aigc data prepare`."""
    rmse: float = Field(4.0, gt=0, le=255)
    """An image is refused if the root mean squared difference of grey levels (0..255) to its
    nearest training image is at most this value. Both are first averaged down to 16x16."""


class Gates(Spec):
    """Checks on generated items. Refused items are replaced until `count` items are accepted."""

    degenerate: DegenerateGate | None = None
    """Refuse items without content. `true` takes the defaults, `false` or null turns the gate
    off."""
    realism: RealismGate | None = None
    """Refuse items with a low realism score. Default: off."""
    memorisation: MemorisationGate | None = None
    """Refuse items that are too close to a training item. Default: off."""
    duplicates: DuplicateGate | None = None
    """Refuse duplicates within the job. `true` takes the defaults, `false` or null turns the gate
    off."""
    max_draws: int = Field(20, ge=1, le=1000)
    """Candidates that may be generated for one item, 1..1000. If all are refused, the job stops and
    reports which gates refused them."""
    min_accepted: Fraction = 0.05
    """Smallest share of accepted candidates. The job stops if the share is lower after the first
    thousand or more candidates."""

    @field_validator("degenerate", "duplicates", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        """`true` becomes the gate with its defaults, `false` becomes None."""
        return ({} if value else None) if isinstance(value, bool) else value

    @property
    def any(self) -> bool:
        return self.local or self.duplicates is not None

    @property
    def local(self) -> bool:
        """Whether any gate is on that checks an item without the rest of the job."""
        return any((self.degenerate, self.realism, self.memorisation))

    @property
    def data(self) -> dict[str, str]:
        """URIs of the data sets that gates compare with, by gate."""
        named = {"realism": self.realism, "memorisation": self.memorisation}
        return {name: gate.data for name, gate in named.items() if gate and gate.data}

    def with_data(self, places: Mapping[str, str]) -> Gates:
        """A copy whose data sets are at `places` (gate to URI)."""
        gates = {name: getattr(self, name) for name in places}
        moved = {n: gate.model_copy(update={"data": places[n]}) for n, gate in gates.items()}
        return self.model_copy(update=moved)
