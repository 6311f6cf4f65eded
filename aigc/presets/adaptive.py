"""The default recipe: chosen from the data, the hardware and the time by a written rule.

Every number of the rule stands in this file, with the evidence for it in docs/recipes.md.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aigc.families.gan import GanModel
from aigc.families.latent import FULL_SIZE_SIDE
from aigc.families.vae import Adversary, VaeModel
from aigc.presets.balance import balance_reason, class_balance
from aigc.presets.facts import DataFacts, Hardware
from aigc.presets.recipes import relativistic, vae
from aigc.specs import TrainSpec
from aigc.specs.train import ADAPTIVE

Family = Literal["gan", "vae"]

_SMALL_SIDE = 32
"""Up to this height and width GANs have small networks of transposed convolutions."""
_SMALL_SECONDS, _LARGE_SECONDS = 300.0, 1800.0
_SMALL_WIDTHS = (32, 48, 64)
_SMALL_IMAGES = 300_000
"""Images that a GAN of small networks should see: with fewer, a narrower one is better."""
_SMALL_FLOPS = 4.5e8
"""As `_WIDE_FLOPS`, for the small networks."""
_WIDTHS = (32, 48, 64, 96, 128)
_LEAST_IMAGES = 100_000
"""Images that training should see within its time: the widest network that does is taken."""
_WIDE_FLOPS = 1.4e9
"""Operations that one training image costs at 64 x 64 and width 64: both networks forward and
backward, penalties included."""
_VAE_WIDTHS = (16, 32, 48, 64, 96)
_RESIDUAL_VAE_FLOPS = 1.25e9
"""As `_WIDE_FLOPS`, for a residual VAE at width 64 that a discriminator joins half-way."""
_FULL_SIZE_COST = 1.5
"""Factor of the cost of a small picture: for these, residual networks have blocks at full size."""
_GAMMA_64, _VAE_GAMMA_64 = 4.0, 1.0
_FEW = 20_000
"""Pictures below which the discriminator learns the data by heart without augmentation."""
_GAN_REASON = (
    f"up to {_SMALL_SIDE} pixels and from {_FEW:,} pictures on a GAN is sharper and more varied at "
    "equal time"
)
_VAE_REASON = (
    f"above {_SMALL_SIDE} pixels, with less than {_FEW:,} pictures, or in colour on CPUs, a VAE "
    "learns shapes, colours and variety in a small part of the time that a GAN needs"
)


def adaptive(
    name: str,
    data: str,
    out: str,
    facts: DataFacts,
    hardware: Hardware,
    seconds: float | None = None,
    shares: int = 1,
    family: Family | None = None,
) -> TrainSpec:
    """The default: GAN or VAE, chosen from the data, the hardware and the time; it says why.

    Args:
        seconds: Training time; None takes 300 s up to 32 x 32 pixels and 1,800 s above.
        shares: Equal parts that each batch is divided into: workers x `accumulate`.
        family: The family to choose for; None takes the one that is better at this size.
    """
    seconds = seconds or _seconds(facts)
    suited, reason = _suited(facts, hardware)
    if (family or suited) == "vae":
        recipe, fields, reasons = vae(name, data, out), *_vae(facts, hardware, seconds)
    else:
        rule = _small_gan if _is_small(facts) else _large_gan
        recipe, fields, reasons = relativistic(name, data, out), *rule(facts, hardware, seconds)
    if family is None:
        reasons = {"model.family": reason + _seen(facts)} | reasons
    update = fields | {"max_seconds": seconds, "reasons": reasons}
    return _shared_out(recipe.model_copy(update=update), shares)


adaptive_gan = functools.partial(adaptive, family="gan")
adaptive_vae = functools.partial(adaptive, family="vae")

RULES: dict[str, Callable[..., TrainSpec]] = {
    ADAPTIVE: adaptive,
    "adaptive-gan": adaptive_gan,
    "adaptive-vae": adaptive_vae,
}
"""Presets that look at the data and the hardware."""
RULE_TITLES = {
    ADAPTIVE: "GAN or VAE, chosen from the data, the hardware and the time; it says why.",
    "adaptive-gan": "A GAN at any size, chosen in the same way.",
    "adaptive-vae": "A VAE at any size, chosen in the same way.",
}


def _shared_out(spec: TrainSpec, shares: int) -> TrainSpec:
    """`spec` with the multiple of `shares` that is nearest to its batch."""
    batch = max(1, round(spec.batch_size / shares)) * shares
    if batch == spec.batch_size:
        return spec
    reason = f"the multiple of {shares} (workers x accumulate) nearest to {spec.batch_size}"
    reasons = spec.reasons | {"batch_size": reason}
    return spec.model_copy(update={"batch_size": batch, "reasons": reasons})


def _suited(facts: DataFacts, hardware: Hardware) -> tuple[Family, str]:
    """The family that is better at equal time, and why: docs/recipes.md.

    On a GPU a GAN of small colour pictures sees many times as many images; it was not compared."""
    in_colour_on_cpus = facts.channels > 1 and hardware.device == "cpu"
    if _is_small(facts) and facts.items >= _FEW and not in_colour_on_cpus:
        return "gan", _GAN_REASON
    return "vae", _VAE_REASON


def _is_small(facts: DataFacts) -> bool:
    return max(facts.height, facts.width) <= _SMALL_SIDE


def _seconds(facts: DataFacts) -> float:
    return _SMALL_SECONDS if _is_small(facts) else _LARGE_SECONDS


def _small_gan(
    facts: DataFacts, hardware: Hardware, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipe `relativistic`, as wide as the time allows, with augmentation where the pictures
    are few."""
    budget = hardware.flops * seconds
    width, images = _widest(_SMALL_FLOPS, _SMALL_WIDTHS, facts, budget, _SMALL_IMAGES)
    update = {"width": width, **_augmentation(facts)}
    model = relativistic("n", "d", "o").model.model_copy(update=update)
    fields: dict[str, Any] = {"model": model, "class_balance": class_balance(facts)}
    reasons = {
        "model.generator": f"at {facts.width} x {facts.height} pixels small transposed "
        "convolutions are better at equal time than residual blocks",
        "model.width": _width_reason(images, seconds, facts),
        "model.r1_gamma": "0.3, found at 28 x 28",
    }
    return fields, reasons | _shared_reasons(facts, fields)


def _large_gan(
    facts: DataFacts, hardware: Hardware, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Residual networks, as wide as the time allows."""
    budget = _residual_flops(hardware) * seconds
    width, images = _widest(_WIDE_FLOPS, _WIDTHS, facts, budget)
    gamma = _GAMMA_64 * facts.height * facts.width / 64**2
    model = GanModel(
        generator="residual",
        discriminator="residual",
        width=width,
        r1_gamma=gamma,
        r2_gamma=gamma,
        penalty="finite_difference",
        penalty_every=4,
        **_augmentation(facts),
    )
    shared, shared_reasons = _residual_training(hardware, images)
    fields: dict[str, Any] = {
        "model": model,
        "lr": 1e-3,
        "lr_final": 3e-5,
        "class_balance": class_balance(facts),
    }
    reasons = {
        "model.generator": f"above {_SMALL_SIDE} pixels residual blocks with filtered resampling "
        "learn more in the same time and leave no checkerboards",
        "model.width": _width_reason(images, seconds, facts),
        "model.r1_gamma": f"{_GAMMA_64:g} at 64 x 64, in proportion to the number of pixels",
        "model.penalty": "costs half of differentiating twice",
    }
    return fields | shared, reasons | shared_reasons | _shared_reasons(facts, fields)


def _vae(
    facts: DataFacts, hardware: Hardware, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    budget = _residual_flops(hardware) * seconds
    factor = _FULL_SIZE_COST if max(facts.height, facts.width) <= FULL_SIZE_SIDE else 1
    width, images = _widest(factor * _RESIDUAL_VAE_FLOPS, _VAE_WIDTHS, facts, budget)
    balance = class_balance(facts)
    shared, shared_reasons = _residual_training(hardware, images)
    fields: dict[str, Any] = {
        "model": VaeModel(
            networks="residual",
            likelihood="pyramid",
            latent_dim=128,
            width=width,
            beta=0.3,
            prior="neighbours",
            adversary=_adversary(facts),
        ),
        "lr": 2e-3,
        "lr_final": 1e-4,
        "betas": (0.5, 0.99),
        "class_balance": balance,
    }
    reasons = {
        "model.width": _width_reason(images, seconds, facts),
        **balance_reason(facts, balance),
        "model.networks": "residual blocks with filtered resampling leave no checkerboards",
        "model.likelihood": "outlines and colours weigh more than fine detail",
        "model.beta": "the prior is fitted afterwards: encodings need not look like N(0, 1)",
        "model.prior": "samples between two alike pictures; the model holds their encodings, from "
        "which they can be remade approximately: where that must not be, set mixture",
        "model.adversary.start": "a discriminator sharpens what the VAE has learnt before",
        "model.latent_dim": "enough for a few thousand pictures to be told apart",
    }
    return fields | shared, reasons | shared_reasons


def _adversary(facts: DataFacts) -> Adversary:
    gamma = _VAE_GAMMA_64 * facts.height * facts.width / 64**2
    return Adversary(
        r1_gamma=gamma,
        r2_gamma=gamma,
        penalty="finite_difference",
        penalty_every=4,
        **_augmentation(facts),
    )


def _residual_flops(hardware: Hardware) -> float:
    """Operations a second of residual networks: on CPUs bfloat16 does not speed them up."""
    on_cpu = hardware.device == "cpu"
    return (dataclasses.replace(hardware, bf16=False) if on_cpu else hardware).flops


def _residual_training(hardware: Hardware, images: float) -> tuple[dict[str, Any], dict[str, str]]:
    """What the residual networks of both families share, and why; `images` that training sees."""
    on_cpu = hardware.device == "cpu"
    fields = {
        "batch_size": 16 if on_cpu else 64,
        "precision": "fp32" if on_cpu else "auto",
        "ema_half_life_images": int(min(10_000, max(500, 0.02 * images))),
    }
    reasons = {
        "batch_size": "on CPUs more steps are worth more than steadier ones"
        if on_cpu
        else "fills a GPU",
        "precision": "grouped convolutions are slower in bfloat16 on CPUs, even native"
        if on_cpu
        else "bfloat16 where it is native",
        "ema_half_life_images": "2 % of the images that training will see, at most 10,000",
    }
    return fields, reasons


def _widest(
    flops: float,
    widths: Sequence[int],
    facts: DataFacts,
    budget: float,
    least_images: int = _LEAST_IMAGES,
) -> tuple[int, float]:
    """The widest network that sees `least_images` in `budget` operations, and how many it sees.

    `flops` are the operations that one image costs at 64 x 64 and width 64. Grouped convolutions
    make the cost grow less than with the square of the width."""
    pixels = facts.height * facts.width
    costs = {width: flops * pixels / 64**2 * (width / 64) ** 1.4 for width in widths}
    fitting = [width for width, cost in costs.items() if budget / cost >= least_images]
    width = max(fitting, default=min(costs))
    return width, budget / costs[width]


def _seen(facts: DataFacts) -> str:
    """What the size in a reason is the size of, where it is not the item's own."""
    if facts.picture == "image":
        return ""
    size = f"{facts.width} x {facts.height}"
    return f"; these {facts.title} are learnt as {facts.picture}s of {size} pixels"


def _width_reason(images: float, seconds: float, facts: DataFacts) -> str:
    return f"about {images:,.0f} {facts.title} fit into {seconds:,.0f} s at this width"


def _augmentation(facts: DataFacts) -> dict[str, Any]:
    return {"augment": facts.augmentations if facts.items < _FEW else ()}


def _shared_reasons(facts: DataFacts, fields: dict[str, Any]) -> dict[str, str]:
    reasons = {
        "model.augment": f"{facts.items:,} {facts.title}: "
        + (
            "enough that the discriminator does not memorise them"
            if not fields["model"].augment
            else "so few that the discriminator can memorise them"
        )
    }
    return reasons | balance_reason(facts, fields["class_balance"])
