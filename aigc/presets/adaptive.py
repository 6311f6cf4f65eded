"""The default recipe: chosen from the data, the hardware and the time by a written rule.

Every number of the rule stands in this file, with the evidence for it in docs/training.md.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from aigc.presets.facts import DataFacts, Hardware
from aigc.presets.recipes import relativistic, vae
from aigc.specs import GanModel, TrainSpec

ADAPTIVE = "adaptive"
"""The rule that is used where no preset is named."""

_SMALL_SIDE = 32
"""Up to this height and width transposed convolutions are better at equal time."""
_SMALL_SECONDS, _LARGE_SECONDS = 300.0, 1800.0
_WIDTHS = (32, 48, 64, 96, 128)
_LEAST_IMAGES = 100_000
"""Images that training should see within its time: the widest network that does is taken."""
_WIDE_FLOPS = 1.4e9
"""Operations that one training image costs at 64 x 64 and width 64: both networks forward and
backward, penalties included."""
_VAE_WIDTHS = (16, 32, 48, 64, 96)
_VAE_FLOPS = 7e8
"""As `_WIDE_FLOPS`, for encoder and decoder at width 64."""
_GAMMA_64 = 4.0
_FEW = 20_000
"""Pictures below which the discriminator learns the data by heart without augmentation."""
_RARE_SHARE = 0.4
"""A class is rare below this share of what it would have if all were equally large."""
_MOST_BALANCE = 0.5
"""A class of two pictures among thousands would otherwise be shown until it is learnt by heart."""


def adaptive(
    name: str,
    data: str,
    out: str,
    facts: DataFacts,
    hardware: Hardware,
    seconds: float | None = None,
    shares: int = 1,
) -> TrainSpec:
    """The default, chosen from the data, the hardware and the time; its `reasons` say why.

    Args:
        seconds: Training time; None takes 300 s up to 32 x 32 pixels and 1,800 s above.
        shares: Equal parts that each batch is divided into: workers x `accumulate`.
    """
    seconds = seconds or _seconds(facts)
    rule = _small if _is_small(facts) else _large
    fields, reasons = rule(facts, hardware, seconds)
    update = fields | {"max_seconds": seconds, "reasons": reasons}
    return _shared_out(relativistic(name, data, out).model_copy(update=update), shares)


def adaptive_vae(
    name: str,
    data: str,
    out: str,
    facts: DataFacts,
    hardware: Hardware,
    seconds: float | None = None,
    shares: int = 1,
) -> TrainSpec:
    """A VAE chosen in the same way: its width, the balance of classes, the batch by `shares`."""
    seconds = seconds or _seconds(facts)
    budget, pixels = hardware.flops * seconds, facts.height * facts.width
    costs = {width: _VAE_FLOPS * pixels / 64**2 * (width / 64) ** 1.4 for width in _VAE_WIDTHS}
    width = _widest(costs, budget)
    recipe = vae(name, data, out)
    balance = _class_balance(facts)
    reasons = {"model.width": _width_reason(budget / costs[width], seconds)}
    update = {
        "model": recipe.model.model_copy(update={"width": width}),
        "class_balance": balance,
        "max_seconds": seconds,
        "reasons": reasons | _balance_reason(facts, balance),
    }
    return _shared_out(recipe.model_copy(update=update), shares)


RULES = {ADAPTIVE: adaptive, "adaptive-vae": adaptive_vae}
"""Presets that look at the data and the hardware."""


def _shared_out(spec: TrainSpec, shares: int) -> TrainSpec:
    """`spec` with the multiple of `shares` that is nearest to its batch."""
    batch = max(1, round(spec.batch_size / shares)) * shares
    if batch == spec.batch_size:
        return spec
    reason = f"the multiple of {shares} (workers x accumulate) nearest to {spec.batch_size}"
    reasons = spec.reasons | {"batch_size": reason}
    return spec.model_copy(update={"batch_size": batch, "reasons": reasons})


def _is_small(facts: DataFacts) -> bool:
    return max(facts.height, facts.width) <= _SMALL_SIDE


def _seconds(facts: DataFacts) -> float:
    return _SMALL_SECONDS if _is_small(facts) else _LARGE_SECONDS


def _small(
    facts: DataFacts, hardware: Hardware, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipe `relativistic`, with augmentation where the pictures are few."""
    model = relativistic("n", "d", "o").model.model_copy(update=_augmentation(facts))
    fields: dict[str, Any] = {"model": model, "class_balance": _class_balance(facts)}
    reasons = {
        "model.generator": f"at {facts.width} x {facts.height} pixels small transposed "
        "convolutions are better at equal time than residual blocks",
        "model.r1_gamma": "0.3, found at 28 x 28",
    }
    return fields, reasons | _shared_reasons(facts, fields)


def _large(
    facts: DataFacts, hardware: Hardware, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Residual networks, as wide as the time allows."""
    on_cpu = hardware.device == "cpu"
    if on_cpu:
        hardware = dataclasses.replace(hardware, bf16=False)
    budget = hardware.flops * seconds
    pixels = facts.height * facts.width
    costs = {width: _WIDE_FLOPS * pixels / 64**2 * (width / 64) ** 1.4 for width in _WIDTHS}
    width = _widest(costs, budget)
    images = budget / costs[width]
    gamma = _GAMMA_64 * pixels / 64**2
    half_life = int(min(10_000, max(500, 0.02 * images)))
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
    batch = 16 if on_cpu else 64
    fields: dict[str, Any] = {
        "model": model,
        "batch_size": batch,
        "lr": 1e-3,
        "lr_final": 3e-5,
        "precision": "fp32" if on_cpu else "auto",
        "ema_half_life_images": half_life,
        "class_balance": _class_balance(facts),
    }
    reasons = {
        "model.generator": f"above {_SMALL_SIDE} pixels residual blocks with filtered resampling "
        "learn more in the same time and leave no checkerboards",
        "model.width": _width_reason(images, seconds),
        "model.r1_gamma": f"{_GAMMA_64:g} at 64 x 64, in proportion to the number of pixels",
        "model.penalty": "costs half of differentiating twice",
        "batch_size": "on CPUs more steps are worth more than steadier ones"
        if on_cpu
        else "fills a GPU",
        "precision": "grouped convolutions are slower in bfloat16 on CPUs, even native"
        if on_cpu
        else "bfloat16 where it is native",
        "ema_half_life_images": "2 % of the images that training will see, at most 10,000",
    }
    return fields, reasons | _shared_reasons(facts, fields)


def _widest(costs: dict[int, float], budget: float) -> int:
    """The widest network that sees enough images; `costs`: operations an image by width. Grouped
    convolutions make the cost grow less than with the square of the width."""
    fitting = [width for width, cost in costs.items() if budget / cost >= _LEAST_IMAGES]
    return max(fitting, default=min(costs))


def _width_reason(images: float, seconds: float) -> str:
    return f"about {images:,.0f} images fit into {seconds:,.0f} s at this width"


def _augmentation(facts: DataFacts) -> dict[str, Any]:
    if facts.images >= _FEW:
        return {"augment": ()}
    return {"augment": ("translate", "brightness") if facts.channels == 3 else ("translate",)}


def _class_balance(facts: DataFacts) -> float:
    """The least balance, in steps of 0.05, with which the rarest class gets `_RARE_SHARE` of an
    equal share, as the loader repeats pictures; at most `_MOST_BALANCE`."""
    balances = (step / 20 for step in range(21))
    enough = (b for b in balances if _rarest(facts.per_class, b) >= _RARE_SHARE)
    return min(next(enough, _MOST_BALANCE), _MOST_BALANCE)


def _rarest(per_class: tuple[int, ...], balance: float) -> float:
    """Share of the rarest class of all pictures shown, over the share if all were equal."""
    most = max(per_class, default=1)
    shown = [count * round((most / count) ** balance) for count in per_class] or [1]
    return float(min(shown) * len(shown) / sum(shown))


def _shared_reasons(facts: DataFacts, fields: dict[str, Any]) -> dict[str, str]:
    reasons = {
        "model.augment": f"{facts.images:,} images: "
        + (
            "enough that the discriminator does not memorise them"
            if not fields["model"].augment
            else "so few that the discriminator can memorise them"
        )
    }
    return reasons | _balance_reason(facts, fields["class_balance"])


def _balance_reason(facts: DataFacts, balance: float) -> dict[str, str]:
    if not balance:
        return {}
    counts = facts.per_class
    reason = (
        f"the smallest of {len(counts)} classes has {min(counts):,} of {sum(counts):,} images; "
        "rare classes are shown more often"
    )
    return {"class_balance": reason}
