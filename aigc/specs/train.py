"""`aigc train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticKnownError

from aigc.families import FAMILIES
from aigc.families.architecture import AnyModel
from aigc.specs.watch import TrainingWatch
from aigc.strict import Location, ModelName, Placement, Seed, Spec

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
    """Recipe that sets every field not given here; `aigc train --presets` lists them. Default: the
    fields' own defaults."""
    name: ModelName
    """Name under which the model is published in the store: lower-case letters, digits, `.`, `_`,
    `-`."""
    data: Location
    """Data set made by `aigc data prepare`, local or s3://."""
    out: Location
    """Folder for checkpoints, samples and metrics, local or s3://. The same command resumes the
    run."""
    model: AnyModel = Field(default_factory=next(iter(FAMILIES.values())).spec)
    """Model family and its architecture."""
    reasons: dict[str, str] = Field(default_factory=dict)
    """Why fields have their values: dotted field name to a sentence. Filled by the `adaptive`
    presets and written to the model's card; no effect on training."""
    synonyms: dict[str, str] = Field(default_factory=dict)
    """Additional words by which prompts may name a label, as `trousers: Trouser`."""
    flip: bool = False
    """Mirror half of the training images horizontally. Off by default, since it is wrong for text,
    logos and content with a fixed orientation."""
    class_balance: float = Field(0.0, ge=0, le=1)
    """How much small classes are oversampled: 0 shows every image equally often, 1 every class
    about equally often."""
    memory_bytes: int = Field(2 * 2**30, ge=0)
    """Memory in bytes for decoded training images per worker. A larger train split is read again
    each epoch, in another order."""
    batch_size: int = Field(64, ge=2, le=65_536)
    """Images per step over all workers. Must be a multiple of workers x `accumulate`."""
    accumulate: int = Field(1, ge=1)
    """Micro-batches per step whose gradients are accumulated; raise it if a step does not fit into
    GPU memory."""
    steps: int | None = Field(None, ge=1)
    """Stop after this many steps. `steps`, `max_seconds` or both must be set."""
    max_seconds: float | None = Field(None, gt=0)
    """Stop after this many seconds of training, summed over resumed runs."""
    lr: float = Field(1.5e-3, gt=0)
    """Learning rate of Adam."""
    lr_final: float | None = Field(1e-5, gt=0)
    """Learning rate at the end of the run, reached along a cosine. null keeps `lr` constant."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises linearly to `lr`."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's decay rates of the first and second moment."""
    ema_half_life_images: int = Field(10_000, ge=0)
    """Half-life, in training images, of the exponential moving average of the weights. The average
    is published. 0 turns averaging off."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of training. `auto` is bf16 where the hardware is faster in it, else fp32."""
    seed: Seed = 0
    """Seed of the initial weights, the order of the data and all noise."""
    log_every: int = Field(50, ge=1)
    """Steps between entries of the metrics log."""
    sample_every: int = Field(500, ge=1)
    """Steps between sample sheets. Further sheets are drawn by time: at 20, 40, 80, 160 and 320 s,
    then every 300 s."""
    checkpoint_every_s: float = Field(60.0, gt=0)
    """Seconds between checkpoints."""
    keep_checkpoints: int = Field(2, ge=1)
    """Number of newest checkpoints to keep."""
    watch: TrainingWatch = TrainingWatch()
    """How collapse, divergence and overfitting are detected, and which remedies are applied."""
    publish: bool = True
    """Publish the model in the store when training ends."""
    placement: Placement = Placement(workers=1)
    """Where training is executed. Default: one worker."""

    @model_validator(mode="before")
    @classmethod
    def _family_of_the_preset(cls, values: Any) -> Any:
        """Set the family of the preset; only `adaptive` chooses it itself."""
        if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
            return values
        preset = values.get("preset")
        makers = [name for name, family in FAMILIES.items() if preset in family.recipes]
        if not makers:
            return values
        named = values["model"].get("family", makers[0])
        if named in FAMILIES and named not in makers:
            raise ValueError(
                f"preset {preset} trains a model of family {makers[0]}, not model.family = "
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
