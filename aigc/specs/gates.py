"""Gates: checks that a generated item must pass to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

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


class SafetyClassifier(Spec):
    """A classifier of your own: one ONNX file with an input of one batch of images. It is run in a
    process of its own, one image at a time, on the CPU."""

    path: Location
    """The ONNX file, local or s3://."""
    input: str | None = None
    """Name of the input. Default: the only one."""
    output: str | None = None
    """Name of the output of N x classes, N x 1 or N values. Default: the only one."""
    layout: Literal["NCHW", "NHWC"] | None = None
    """Order of the input's axes. Default: by the axis that has 1 or 3 channels."""
    height: int | None = Field(None, ge=8, le=2048)
    """Height in pixels that images are scaled to. Default: the input's own."""
    width: int | None = Field(None, ge=8, le=2048)
    """Width in pixels that images are scaled to. Default: the input's own."""
    range: Literal["0..1", "-1..1", "0..255"] | None = None
    """What black and white are in the input. An input of whole numbers has 0..255; for others the
    file does not say it."""
    mean: tuple[float, ...] | None = None
    """Per channel in the input's order, subtracted from the values of `range`."""
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    """Per channel in the input's order; what is left is divided by it."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Order of the input's channels."""
    classes: tuple[str, ...] = ()
    """Names of the output's classes, in its order. Only needed if `unsafe` has names."""
    unsafe: tuple[Annotated[int, Field(ge=0)] | str, ...] = ()
    """Numbers (from 0) or names of the classes whose probabilities make the score. Not needed if
    the output has one value."""
    activation: Literal["none", "softmax", "sigmoid"] | None = None
    """What makes probabilities of the output's values. Default: none is needed; an output beyond
    0..1 is refused. The score is the sum over `unsafe`, after `sigmoid` the largest."""

    @model_validator(mode="after")
    def _named_classes(self) -> Self:
        for name in self.unsafe:
            if isinstance(name, str) and name not in self.classes:
                known = ", ".join(self.classes) or "none are named"
                raise ValueError(f"unsafe: {name!r} is not one of classes: {known}")
        return self


class SafetyGate(Spec):
    """Scores each item from 0 to 1 by a classifier of unsafe content and keeps the score in the
    column `safety`."""

    threshold: Fraction = 0.5
    """Scores of this and above count as unsafe."""
    policy: Literal["refuse", "flag"] = "refuse"
    """`refuse` unsafe items and replace them by the next candidate, or deliver them and `flag` them
    in the column `safety_flagged`."""
    classifier: SafetyClassifier | None = None
    """A classifier of your own. Default: Yahoo's open_nsfw (images only, pip install
    'aigc[safety]')."""


class Gates(Spec):
    """Checks on generated items. Refused items are replaced until `count` items are accepted."""

    degenerate: DegenerateGate | None = None
    """Refuse items without content. `true` takes the defaults, `false` or null turns the gate
    off."""
    realism: RealismGate | None = None
    """Refuse items with a low realism score. Default: off."""
    memorisation: MemorisationGate | None = None
    """Refuse items that are too close to a training item. Default: off."""
    safety: SafetyGate | None = Field(None, exclude_if=lambda found: found is None)
    """Refuse or flag items that a classifier holds to be unsafe. `true` takes the defaults, `false`
    or null turns the gate off. Default: off."""
    duplicates: DuplicateGate | None = None
    """Refuse duplicates within the job. `true` takes the defaults, `false` or null turns the gate
    off."""
    max_draws: int = Field(20, ge=1, le=1000)
    """Candidates that may be generated for one item, 1..1000. If all are refused, the job stops and
    reports which gates refused them."""
    min_accepted: Fraction = 0.05
    """Smallest share of accepted candidates. The job stops if the share is lower after the first
    thousand or more candidates."""

    @field_validator("degenerate", "duplicates", "safety", mode="before")
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
        return any((self.degenerate, self.realism, self.memorisation, self.safety))

    @property
    def data(self) -> dict[str, str]:
        """URIs of what gates compare with, by gate: data sets, and the classifier of `safety`."""
        named = {"realism": self.realism, "memorisation": self.memorisation}
        found = {name: gate.data for name, gate in named.items() if gate and gate.data}
        if self.safety and self.safety.classifier:
            found["safety"] = self.safety.classifier.path
        return found

    def with_data(self, places: Mapping[str, str]) -> Gates:
        """A copy in which `data` are at `places` (gate to URI)."""
        moved: dict[str, Spec] = {}
        for name, place in places.items():
            gate = getattr(self, name)
            if name == "safety":
                held = gate.classifier.model_copy(update={"path": place})
                moved[name] = gate.model_copy(update={"classifier": held})
            else:
                moved[name] = gate.model_copy(update={"data": place})
        return self.model_copy(update=moved)
