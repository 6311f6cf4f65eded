"""What users write: one frozen, strict model a verb. YAML in, one clear line out when wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aigc.errors import SpecError

Codec = Literal["png", "jpeg", "webp"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Placement(Spec):
    """Where work runs. Nothing here changes a result, only how soon it comes."""

    workers: int | None = Field(None, ge=1)
    """Worker processes; none means as many as the cluster has room for."""
    cpus_per_worker: float = Field(1, gt=0)
    gpus_per_worker: float | None = Field(None, ge=0)
    """None means one when the cluster has GPUs, else zero."""
    timeout_s: float = Field(1800, gt=0)
    """The longest one unit of work (a shard, a chunk of files) may take before it is retried."""
    max_retries: int = Field(3, ge=0)
    """How often one unit of work may fail before the job stops."""
    wait_s: float = Field(600, ge=0)
    """How long to wait for workers that fit the cluster but find it busy."""


class PrepareSpec(Spec):
    """Raw images in, a clean, split, sharded data set out."""

    source: str
    """Folder (class = sub-folder), IDX folder or Parquet file/folder; local or s3://."""
    out: str
    format: Literal["auto", "folder", "idx", "parquet"] = "auto"
    size: int = Field(64, ge=8, le=1024)
    """Height and width of every stored image, in pixels."""
    channels: Literal[1, 3] = 3
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How other aspect ratios become square: centre crop, pad with white, or stretch."""
    image_column: str = "image"
    label_column: str = "label"
    animated: Literal["reject", "first"] = "reject"
    max_pixels: int = Field(50_000_000, ge=1)
    """An image that would decode to more pixels is rejected unread (decompression bomb)."""
    duplicates: Literal["drop", "keep"] = "drop"
    near_duplicates: Literal["drop", "keep"] = "drop"
    near_duplicate_distance: int = Field(2, ge=0, le=16)
    """Bits in which the 64-bit perceptual hashes of two near duplicates may differ."""
    near_duplicate_rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared pixel difference (0..255) below which a hash match counts."""
    test_fraction: Fraction = 0.1
    """Share held out for evaluation; a source with its own train/ and test/ keeps them."""
    seed: Seed = 0
    max_rejects: Annotated[float, Field(ge=0)] = 0.05
    """Stop when more inputs are rejected: a share if below 1, else a number of files."""
    shard_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30)
    placement: Placement = Placement()


class GanModel(Spec):
    """Generator and discriminator, trained in turn."""

    family: Literal["gan"] = "gan"
    generator: Literal["dcgan"] = "dcgan"
    discriminator: Literal["dcgan", "projection"] = "projection"
    """`dcgan` has BatchNorm as in Radford et al. 2016; `projection` has none and conditions by
    inner product (Miyato & Koyama 2018)."""
    latent_dim: int = Field(128, ge=1, le=4096)
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest layer; each coarser one doubles them up to 8 x."""
    conditional: bool = True
    loss: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    r1_gamma: float = Field(0.3, ge=0)
    r2_gamma: float = Field(0.3, ge=0)
    penalty_every: int = Field(8, ge=1)
    """Lazy regularisation: the penalties are applied every so many steps, scaled to match."""
    spectral_norm: bool = False
    augment: tuple[Literal["translate", "cutout", "brightness"], ...] = ()
    """DiffAugment policies (Zhao et al. 2020) for small data sets."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discriminator == "dcgan" and (self.r1_gamma or self.r2_gamma):
            raise ValueError(
                "discriminator dcgan has BatchNorm, which mixes a batch's pictures, so gradient "
                "penalties mean nothing: set r1_gamma and r2_gamma to 0 or use projection"
            )
        return self


class VaeModel(Spec):
    """Encoder and decoder, trained together on the ELBO (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    latent_dim: int = Field(64, ge=1, le=4096)
    width: int = Field(64, ge=4, le=1024)
    conditional: bool = True
    beta: float = Field(1.0, ge=0)
    likelihood: Literal["gaussian", "bernoulli", "laplace", "logistic"] = "gaussian"
    variance: float = Field(0.1, gt=0)
    """Variance σ² (Gaussian) or scale (Laplace, logistic) of the likelihood, pixels in [-1, 1]."""


class TrainSpec(Spec):
    name: ModelName
    """Name under which the model is published in the store."""
    data: str
    """A data set made by `aigc data prepare`."""
    out: str
    """Run folder: checkpoints, samples, metrics. The same command again resumes from it."""
    model: Annotated[GanModel | VaeModel, Field(discriminator="family")] = GanModel()
    batch_size: int = Field(64, ge=2)
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
    publish: bool = True
    placement: Placement = Placement(workers=1)

    @model_validator(mode="before")
    @classmethod
    def _gan_unless_said(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("model"), dict):
            return values | {"model": {"family": "gan"} | values["model"]}
        return values

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.steps is None and self.max_seconds is None:
            raise ValueError("set steps or max_seconds, or both: training must end somewhere")
        workers = self.placement.workers or 1
        if self.batch_size % (workers * self.accumulate):
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided by workers {workers} x "
                f"accumulate {self.accumulate}; choose a multiple"
            )
        return self


class EvaluateSpec(Spec):
    model: str
    data: str
    out: str
    """Report folder: report.json and report.png."""
    samples: int = Field(10_000, ge=100)
    seed: Seed = 0
    neighbours: int = Field(5, ge=1)
    prdc_samples: int = Field(5_000, ge=50)
    inception_weights: str | None = None
    """Path of torchvision-format Inception-v3 weights; without it no Inception FID is reported."""
    publish: bool = True
    """Write the figures beside the model in the store."""
    placement: Placement = Placement(workers=1)


class GenerateSpec(Spec):
    model: str
    """name, name@version, name@alias or the URI of a model folder."""
    out: str
    count: int = Field(ge=1)
    seed: Seed = 0
    labels: tuple[str, ...] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Labels to make in equal shares, or a share for each; none means every label the model has."""
    truncation: float | None = Field(None, gt=0)
    """Latents are drawn from the normal cut at ± this value (Brock et al. 2019)."""
    codec: Codec = "png"
    quality: int = Field(90, ge=1, le=100)
    """For jpeg and webp; webp at 100 is lossless."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    micro_batch: int = Field(128, ge=1, le=8192)
    """Images a forward pass; part of an item's identity, so it is recorded."""
    shard_items: int | None = Field(None, ge=1)
    embed_provenance: bool = True
    """Put the AI-generated label (IPTC digital source type) into each image file as well."""
    placement: Placement = Placement()


SPECS: dict[str, type[Spec]] = {
    "prepare": PrepareSpec,
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "generate": GenerateSpec,
}

S = TypeVar("S", bound=Spec)


def build(spec: type[S], values: dict[str, Any], where: str = "") -> S:
    """`values` as a spec.

    Raises:
        SpecError: one line naming the first wrong field, its value and what would be right.
    """
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        raise SpecError(_explain(error, spec, where)) from None


def load(spec: type[S], path: str | None, overrides: dict[str, Any]) -> S:
    """The YAML file at `path` (`-`: standard input), if any, with `overrides` on top."""
    values: dict[str, Any] = {}
    if path:
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
            loaded = yaml.safe_load(text)
        except OSError as error:
            raise SpecError(f"spec {path}: {error.strerror or error}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SpecError(f"spec {path}: not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(loaded, dict):
            raise SpecError(f"spec {path}: expected fields like `model: NAME`, got {loaded!r}")
        values = loaded
    for key, value in overrides.items():
        set_dotted(values, key, value)
    return build(spec, values, where=path or "")


def parse_setting(text: str) -> tuple[str, Any]:
    """`a.b=VALUE` as (key, YAML value). Raises SpecError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SpecError(f"--set {text!r}: expected FIELD=VALUE, for example --set lr=2e-4")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise SpecError(f"--set {text!r}: the value is not YAML") from None
    return key, parsed


def dump(spec: Spec) -> str:
    """The resolved spec as YAML, every field written out."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def set_dotted(values: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at the dotted `key` of nested `values`. Raises SpecError."""
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpecError(f"--set {key}: {parent} is {inner!r}, it has no fields")
        values = inner
    values[last] = value


def _explain(error: ValidationError, spec: type[Spec], where: str) -> str:
    # Of a union's complaints the deepest is about the alternative that was meant; the names of
    # alternatives ("gan", "tuple[...]") stand in the path though no user wrote them.
    first = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
    parts = [str(part) for part in first["loc"]]
    path = [part for part in parts if part not in ("gan", "vae") and "[" not in part]
    field = ".".join(path) or "spec"
    prefix = f"{where}: " if where else ""
    match first["type"]:
        case "extra_forbidden":
            known = ", ".join(spec.model_fields)
            return f"{prefix}unknown field {field}; the fields are: {known}"
        case "missing":
            return f"{prefix}field {field} is missing"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = first["input"]
    shown = "" if isinstance(given, dict) else f" = {given!r}"
    return f"{prefix}{field}{shown}: {message}"
