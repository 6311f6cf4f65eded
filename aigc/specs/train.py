"""`aigc train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from aigc.specs.base import Location, ModelName, Placement, Seed, Spec
from aigc.specs.watch import TrainingWatch


class AdversarialTerms(Spec):
    """Loss and regularisation of a discriminator."""

    loss: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    """Adversarial loss. `relativistic` compares real and generated images in pairs
    (Jolicoeur-Martineau 2019); it is the default because it resists mode collapse (Huang et al.
    2024)."""
    r1_gamma: float = Field(0.3, ge=0)
    """Weight of the gradient penalty on real images; 0 turns it off."""
    r2_gamma: float = Field(0.3, ge=0)
    """Weight of the gradient penalty on generated images; 0 turns it off."""
    gamma_final: float | None = Field(None, gt=0)
    """Factor by which both weights are multiplied at the end of the run; it changes along the
    learning rate's cosine. Default: constant weights."""
    penalty: Literal["exact", "finite_difference"] = "exact"
    """How the squared gradient is computed: `exact` differentiates twice; `finite_difference` takes
    a difference along one random direction, which is faster."""
    penalty_sigma: float = Field(0.01, gt=0, le=1)
    """Standard deviation of the random step of `finite_difference`, in pixel values of [-1, 1]."""
    penalty_every: int = Field(8, ge=1)
    """Apply the penalties once in this many steps, with the weights scaled to match (lazy
    regularisation)."""
    augment: tuple[Literal["translate", "cutout", "brightness"], ...] = ()
    """DiffAugment policies (Zhao et al. 2020) applied to what the discriminator sees; for small
    data sets."""
    augment_probability: float = Field(1.0, ge=0, le=1)
    """Share of the images that are augmented."""


class GanModel(AdversarialTerms):
    """A generator and a discriminator, trained in turn."""

    family: Literal["gan"] = "gan"
    """Selects this family."""
    generator: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan`: transposed convolutions and BatchNorm. `residual`: residual blocks without
    normalisation and filtered resampling (Huang et al. 2024), for images above 32 pixels."""
    discriminator: Literal["dcgan", "projection", "residual"] = "projection"
    """`dcgan`: BatchNorm, as in Radford et al. 2016. `projection`: no normalisation, conditioned by
    an inner product (Miyato & Koyama 2018). `residual`: the counterpart of the residual generator,
    conditioned the same way."""
    latent_dim: int = Field(128, ge=1, le=4096)
    """Number of latent dimensions, 1..4096."""
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest hidden layer. Each coarser layer doubles them, up to 8 times
    (`residual`: 4 times)."""
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks per resolution of the `residual` networks."""
    conditional: bool = True
    """Condition the networks on the label, if the data set has labels."""
    spectral_norm: bool = False
    """Apply spectral normalisation to the `projection` discriminator (Miyato et al. 2018)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discriminator == "dcgan" and (self.r1_gamma or self.r2_gamma):
            raise ValueError(
                "discriminator dcgan has BatchNorm, which mixes a batch's images, so gradient "
                "penalties do not apply: set r1_gamma and r2_gamma to 0 or use projection"
            )
        return self


class Adversary(AdversarialTerms):
    """A discriminator that joins a VAE in the later part of its training (VAE/GAN, Larsen et al.
    2016). It sharpens the images, and its features measure the distance between two images.

    Its architecture is the residual discriminator at the model's width.
    """

    start: float = Field(0.5, ge=0, lt=1)
    """Share of the run after which the discriminator joins."""
    weight: float = Field(0.3, gt=0)
    """Weight of the adversarial loss in the decoder's loss."""
    feature_weight: float = Field(1.0, ge=0)
    """Weight of the distance between the discriminator's features of an image and of its
    reconstruction, relative to the size of the features."""
    reconstruction_weight: float = Field(3.0, gt=0)
    """Weight of the VAE's own loss, in units of the mean pixel error in [-1, 1]."""


class VaeModel(Spec):
    """An encoder and a decoder, trained together on the ELBO (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    """Selects this family."""
    networks: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan`: strided and transposed convolutions with BatchNorm. `residual`: residual blocks
    without normalisation and filtered resampling, as in the GAN's `residual` networks."""
    latent_dim: int = Field(64, ge=1, le=4096)
    """Number of latent dimensions, 1..4096."""
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest hidden layer. Each coarser layer doubles them."""
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks per resolution of the `residual` networks."""
    conditional: bool = True
    """Condition the networks on the label, if the data set has labels."""
    beta: float = Field(1.0, ge=0)
    """Weight of the KL term; 1 is the ELBO."""
    likelihood: Literal["gaussian", "bernoulli", "laplace", "logistic", "pyramid"] = "gaussian"
    """Distribution of pixels around the reconstruction. `pyramid` averages the Laplace likelihood
    over the image at full, half and quarter size, which weighs outlines and colours against fine
    detail."""
    variance: Annotated[float, Field(gt=0)] | Literal["best"] = "best"
    """Variance (Gaussian) or scale (Laplace, logistic) of the likelihood, for pixels in [-1, 1].
    `best` is the maximum-likelihood value of each batch (Rybkin et al. 2021), so that neither this
    nor `beta` needs tuning."""
    free_bits: float = Field(0.0, ge=0)
    """Nats per latent dimension that the KL term does not penalise (Kingma et al. 2016)."""
    kl_warmup_images: int = Field(0, ge=0)
    """Training images over which the weight of the KL term rises from 0 to `beta`. It is counted in
    images so that it does not depend on `steps`, which may be raised later."""
    prior: Literal["standard", "mixture", "neighbours"] = "mixture"
    """Distribution from which latents are drawn. `standard`: N(0, 1). `mixture`: a Gaussian mixture
    per class, fitted to the encodings of training images after training (Ghosh et al. 2020).
    `neighbours`: points between the encodings of two similar images of a class. With `neighbours`
    the model contains encodings of up to 20,000 training images and can generate images close to
    them."""
    adversary: Adversary | None = None
    """A discriminator for the later part of training. Needs `networks: residual`, `variance: best`
    and `likelihood: pyramid` or `laplace`. Default: none."""

    def check(self) -> None:
        """Raises ValueError if fields exclude each other."""
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
    """The family named by a model or by its fields; None if they name none."""
    return value.get("family") if isinstance(value, dict) else getattr(value, "family", None)


def _family(value: Any) -> str:
    """The family of a model's fields: the one they name, else the one that has these fields."""
    if not isinstance(value, dict):
        return str(getattr(value, "family", "gan"))
    if "family" in value:
        return str(value["family"])
    only_vae = VaeModel.model_fields.keys() - GanModel.model_fields.keys()
    return "vae" if only_vae & value.keys() else "gan"


Models = Annotated[GanModel, Tag("gan")] | Annotated[VaeModel, Tag("vae")]
"""Distinguished by a function: pydantic allows no validators on a discriminator field, and `Spec`
has a validator for all fields."""
AnyModel = Annotated[Models, Discriminator(_family)]

Preset = Literal[
    "adaptive", "adaptive-gan", "adaptive-vae", "relativistic", "dcgan", "vae", "smoke"
]
"""Names of `aigc.presets`."""


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
    model: AnyModel = GanModel()
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
    """Precision of training. `auto` is bf16 where the hardware supports it natively, else fp32."""
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
        if values.get("preset") in (None, "adaptive"):
            return values
        family = "vae" if values["preset"] in ("vae", "adaptive-vae") else "gan"
        named = values["model"].get("family", family)
        if values["preset"] in get_args(Preset) and named in {"gan", "vae"} - {family}:
            raise ValueError(
                f"preset {values['preset']} trains a model of family {family}, not model.family = "
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
