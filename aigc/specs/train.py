"""`aigc train` and `aigc evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from aigc.specs.base import Location, ModelName, Placement, Seed, Spec
from aigc.specs.watch import TrainingWatch


class AdversarialTerms(Spec):
    """How a discriminator judges and is kept smooth."""

    loss: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    r1_gamma: float = Field(0.3, ge=0)
    r2_gamma: float = Field(0.3, ge=0)
    gamma_final: float | None = Field(None, gt=0)
    """Factor that both gammas reach at the end of the run, along the learning rate's cosine."""
    penalty: Literal["exact", "finite_difference"] = "exact"
    """How the squared gradient is had: by differentiating twice, or from a difference along one
    random direction."""
    penalty_sigma: float = Field(0.01, gt=0, le=1)
    """Length of that difference's step, a standard deviation of pixels in [-1, 1]."""
    penalty_every: int = Field(8, ge=1)
    """Lazy regularisation: the penalties are applied once in this many steps, scaled to match."""
    augment: tuple[Literal["translate", "cutout", "brightness"], ...] = ()
    """DiffAugment policies (Zhao et al. 2020) for small data sets."""
    augment_probability: float = Field(1.0, ge=0, le=1)
    """Share of the pictures that are augmented."""


class GanModel(AdversarialTerms):
    """Generator and discriminator, trained in turn."""

    family: Literal["gan"] = "gan"
    generator: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan` has transposed convolutions and BatchNorm; `residual` has residual blocks without
    normalisation and filtered resampling (Huang et al. 2024)."""
    discriminator: Literal["dcgan", "projection", "residual"] = "projection"
    """`dcgan` has BatchNorm as in Radford et al. 2016; `projection` has none and conditions by
    inner product (Miyato & Koyama 2018), as does `residual`, the counterpart of that generator."""
    latent_dim: int = Field(128, ge=1, le=4096)
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest hidden layer; each coarser one doubles them, up to 8 x (`residual`:
    4 x)."""
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks at each level of the `residual` networks."""
    conditional: bool = True
    spectral_norm: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discriminator == "dcgan" and (self.r1_gamma or self.r2_gamma):
            raise ValueError(
                "discriminator dcgan has BatchNorm, which mixes a batch's pictures, so gradient "
                "penalties do not apply: set r1_gamma and r2_gamma to 0 or use projection"
            )
        return self


class Adversary(AdversarialTerms):
    """A discriminator that joins a VAE in the later part of its training (VAE/GAN, Larsen et al.
    2016): it sharpens the pictures, and its features say how alike two pictures are.

    It has the form of the residual discriminator at the model's width.
    """

    start: float = Field(0.5, ge=0, lt=1)
    """Share of the run after which it joins."""
    weight: float = Field(0.3, gt=0)
    """Of the adversarial loss in that of the decoder."""
    feature_weight: float = Field(1.0, ge=0)
    """Of the distance between the discriminator's features of a picture and of its
    reconstruction, relative to the size of the features."""
    reconstruction_weight: float = Field(3.0, gt=0)
    """Of the VAE's own loss, in units of the mean error of pixels in [-1, 1]."""


class VaeModel(Spec):
    """Encoder and decoder, trained together on the ELBO (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    networks: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan` has strided and transposed convolutions with BatchNorm; `residual` has residual
    blocks without normalisation and filtered resampling, as a GAN's `residual` networks have."""
    latent_dim: int = Field(64, ge=1, le=4096)
    width: int = Field(64, ge=4, le=1024)
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks at each level of the `residual` networks."""
    conditional: bool = True
    beta: float = Field(1.0, ge=0)
    likelihood: Literal["gaussian", "bernoulli", "laplace", "logistic", "pyramid"] = "gaussian"
    """`pyramid` is the Laplace likelihood averaged over the picture at full, half and quarter
    size, which weighs outlines and colours against fine detail."""
    variance: Annotated[float, Field(gt=0)] | Literal["best"] = "best"
    """Variance σ² (Gaussian) or scale (Laplace, logistic) of the likelihood, pixels in [-1, 1];
    `best` is the one under which each batch is likeliest (Rybkin et al. 2021), so that neither it
    nor `beta` has to be tuned to the pictures."""
    free_bits: float = Field(0.0, ge=0)
    """Nats of each latent dimension that cost nothing (Kingma et al. 2016)."""
    kl_warmup_images: int = Field(0, ge=0)
    """Images over which the KL term's weight rises from 0 to `beta`; counted in images because a
    run's limits may be raised later."""
    prior: Literal["standard", "mixture", "neighbours"] = "mixture"
    """What samples are drawn from: N(0, 1); a mixture of Gaussians a class that is fitted to the
    encodings of the training pictures after training (Ghosh et al. 2020); or points between the
    encodings of two alike pictures of a class. With `neighbours` the model holds encodings of up to
    20,000 training pictures, of which it can make pictures much like them."""
    adversary: Adversary | None = None
    """Only with `networks: residual`, `variance: best` and `likelihood: pyramid` or `laplace`."""

    def check(self) -> None:
        """Raises ValueError where fields do not go together."""
        absolute = self.likelihood in ("pyramid", "laplace") and self.variance == "best"
        if self.adversary and not (self.networks == "residual" and absolute):
            raise ValueError(
                "model.adversary needs networks residual, likelihood pyramid or laplace, and "
                "variance best: choose these, or set model.adversary to null"
            )
        if self.prior == "neighbours" and self.latent_dim < 2:
            raise ValueError("model.prior neighbours needs a latent_dim of at least 2")
        if self.networks == "residual" and self.likelihood == "bernoulli":
            raise ValueError(
                "model.likelihood bernoulli needs outputs in [-1, 1], which networks residual do "
                "not keep in training: use likelihood pyramid, laplace or gaussian, or networks "
                "dcgan"
            )


def named_family(value: Any) -> Any:
    """The family that a model, or its fields, name; None where they name none."""
    return value.get("family") if isinstance(value, dict) else getattr(value, "family", None)


def _family(value: Any) -> str:
    """The family that a model's fields belong to: the one they name, or the one that has them."""
    if not isinstance(value, dict):
        return str(getattr(value, "family", "gan"))
    if "family" in value:
        return str(value["family"])
    only_vae = VaeModel.model_fields.keys() - GanModel.model_fields.keys()
    return "vae" if only_vae & value.keys() else "gan"


Models = Annotated[GanModel, Tag("gan")] | Annotated[VaeModel, Tag("vae")]
"""To be told apart by a function: a field that tells them apart by its name takes no validators,
and `Spec` has one for all fields."""
AnyModel = Annotated[Models, Discriminator(_family)]

Preset = Literal[
    "adaptive", "adaptive-gan", "adaptive-vae", "relativistic", "dcgan", "vae", "smoke"
]
"""Names of `aigc.presets`."""


class TrainSpec(Spec):
    preset: Preset | None = None
    """The recipe that gives each field not set here; `aigc train --presets` lists them."""
    name: ModelName
    """Name under which the model is published in the store."""
    data: Location
    """A data set made by `aigc data prepare`."""
    out: Location
    """Run folder: checkpoints, samples, metrics. The same command again resumes from it."""
    model: AnyModel = GanModel()
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
        """Only `adaptive` chooses the family itself."""
        if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
            return values
        if values.get("preset") in (None, "adaptive"):
            return values
        family = "vae" if values["preset"] in ("vae", "adaptive-vae") else "gan"
        named = values["model"].get("family", family)
        if values["preset"] in get_args(Preset) and named in {"gan", "vae"} - {family}:
            raise ValueError(
                f"preset {values['preset']} makes a model of family {family}, not model.family = "
                f"{named}: leave the family out, or choose preset adaptive-{named}"
            )
        return values | {"model": {"family": family} | values["model"]}

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.preset is None and self.steps is None and self.max_seconds is None:
            raise ValueError("set steps or max_seconds, or both: training needs a limit")
        complete = self.preset is None or "networks" in self.model.model_fields_set
        if complete and isinstance(self.model, VaeModel):
            self.model.check()
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
    data: Location
    out: Location
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
