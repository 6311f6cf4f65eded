"""`aigc train` and `aigc evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticKnownError

from aigc.families import FAMILIES
from aigc.families.architecture import AnyModel
from aigc.specs.watch import TrainingWatch
from aigc.strict import ModelName, Place, Placement, Seed, Spec

ADAPTIVE = "adaptive"
"""The one preset that chooses the family itself."""
PRESET_NAMES = (ADAPTIVE, *(name for family in FAMILIES.values() for name in family.recipes))
"""Names of `aigc.presets`."""


def _require_preset(name: str) -> str:
    if name not in PRESET_NAMES:
        *most, last = map(repr, PRESET_NAMES)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})
    return name


Preset = Annotated[
    str, AfterValidator(_require_preset), WithJsonSchema({"enum": PRESET_NAMES, "type": "string"})
]


class TrainSpec(Spec):
    preset: Preset | None = None
    """The recipe that gives each field not set here; `aigc train --presets` lists them."""
    name: ModelName
    """Name under which the model is published in the store."""
    data: Place
    """A data set made by `aigc data prepare`."""
    out: Place
    """Run folder: checkpoints, samples, metrics. The same command again resumes from it."""
    model: AnyModel = Field(default_factory=next(iter(FAMILIES.values())).spec)
    reasons: dict[str, str] = Field(default_factory=dict)
    """Why fields have their values: dotted name to a sentence, as the adaptive preset gives them.
    They are written into the model's card and decide nothing."""
    synonyms: dict[str, str] = Field(default_factory=dict)
    """Other words that prompts may use for a label, as `trousers: Trouser`."""
    flip: bool = False
    """Mirror half of the training pictures left to right. Only for content without writing, logos
    or a fixed side."""
    class_balance: float = Field(0.0, ge=0, le=1)
    """How much more often pictures of small classes are shown: 0 as often as all others, 1 until
    all classes are seen about equally often."""
    memory_bytes: int = Field(2 * 2**30, ge=0)
    """Decoded pixels that each worker may hold in memory; a larger train split is read anew each
    epoch, in another order."""
    batch_size: int = Field(64, ge=2, le=65_536)
    """Images per step over all workers."""
    accumulate: int = Field(1, ge=1)
    """Micro-batches whose gradients are summed into one step."""
    steps: int | None = Field(None, ge=1)
    max_seconds: float | None = Field(None, gt=0)
    """Stop after so much training time, over all resumes; one of the two limits must be set."""
    lr: float = Field(1.5e-3, gt=0)
    lr_final: float | None = Field(1e-5, gt=0)
    """Learning rate at the end of a cosine from `lr`; none keeps `lr`."""
    warmup_steps: int = Field(0, ge=0)
    betas: tuple[float, float] = (0.0, 0.99)
    ema_half_life_images: int = Field(10_000, ge=0)
    """Images after which a weight's share in the average has halved; 0 turns averaging off."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: Seed = 0
    log_every: int = Field(50, ge=1)
    sample_every: int = Field(500, ge=1)
    checkpoint_every_s: float = Field(60.0, gt=0)
    keep_checkpoints: int = Field(2, ge=1)
    watch: TrainingWatch = TrainingWatch()
    """How the run is judged while it lasts, and what is done when it goes wrong."""
    publish: bool = True
    placement: Placement = Placement(workers=1)

    @model_validator(mode="before")
    @classmethod
    def _family_of_the_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
            return values
        preset = values.get("preset")
        makers = [name for name, family in FAMILIES.items() if preset in family.recipes]
        if not makers:
            return values
        named = values["model"].get("family", makers[0])
        if named in FAMILIES and named not in makers:
            raise ValueError(
                f"preset {preset} makes a model of family {makers[0]}, not model.family = "
                f"{named}: leave the family out, or choose preset {FAMILIES[named].recipes[0]}"
            )
        return values | {"model": {"family": makers[0]} | values["model"]}

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.preset is None and self.steps is None and self.max_seconds is None:
            raise ValueError("set steps or max_seconds, or both: training needs a limit")
        self.model.check(complete=self.preset is None)
        workers = self.placement.workers or 1
        chosen = self.preset is None or "batch_size" in self.model_fields_set
        if chosen and self.batch_size % (workers * self.accumulate):
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided by workers {workers} x "
                f"accumulate {self.accumulate}; choose a multiple"
            )
        return self


class EvaluateSpec(Spec):
    model: str
    data: Place
    out: Place
    """Report folder: report.json and report.png."""
    samples: int = Field(10_000, ge=100)
    seed: Seed = 0
    neighbours: int = Field(5, ge=1)
    prdc_samples: int = Field(5_000, ge=50)
    memory_bytes: int = Field(2 * 2**30, ge=0)
    """Decoded pixels that the samples, and the real images they are compared with, may each hold in
    memory; above it they lie in a file of the temporary folder (TMPDIR), with the same figures."""
    inception_weights: str | None = None
    """Path of torchvision-format Inception-v3 weights; without it no Inception FID is reported."""
    publish: bool = True
    """Write the figures beside the model in the store."""
    placement: Placement = Placement(workers=1)
