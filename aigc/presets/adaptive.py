"""The default recipe: chosen from the data, the hardware and the time by a written rule.

Every number of the rule stands in this file, with the evidence for it in docs/training.md.
"""

from __future__ import annotations

from typing import Any

from aigc.presets.facts import DataFacts, Hardware
from aigc.presets.recipes import relativistic
from aigc.specs import GanModel, TrainSpec

ADAPTIVE = "adaptive"

_SMALL_SIDE = 32
"""Up to this height and width transposed convolutions are better at equal time."""
_SMALL_SECONDS, _LARGE_SECONDS = 300.0, 1800.0
_WIDTHS = (32, 48, 64, 96, 128)
_LEAST_IMAGES = 100_000
"""Images that training should see within its time: the widest network that does is taken."""
_WIDE_FLOPS = 1.4e9
"""Operations that one training image costs at 64 x 64 and width 64: both networks forward and
backward, penalties included."""
_GAMMA_64 = 4.0
_FEW = 20_000
"""Pictures below which the discriminator learns the data by heart without augmentation."""
_RARE_SHARE = 0.4
"""A class is rare below this share of what it would have if all were equally large."""


def adaptive(
    name: str,
    data: str,
    out: str,
    facts: DataFacts,
    hardware: Hardware,
    seconds: float | None = None,
) -> TrainSpec:
    """The recipe for these data on this hardware in this time; its `reasons` say why.

    Args:
        seconds: Training time; None takes 300 s up to 32 x 32 pixels and 1,800 s above.
    """
    small = max(facts.height, facts.width) <= _SMALL_SIDE
    if seconds is None:
        seconds = _SMALL_SECONDS if small else _LARGE_SECONDS
    rule = _small if small else _large
    fields, reasons = rule(facts, hardware, seconds)
    update = fields | {"max_seconds": seconds, "reasons": reasons}
    return relativistic(name, data, out).model_copy(update=update)


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
    budget = hardware.flops * seconds
    pixels = facts.height * facts.width
    width = _width(pixels, budget)
    images = budget / _cost(pixels, width)
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
    batch = 16 if hardware.device == "cpu" else 64
    fields: dict[str, Any] = {
        "model": model,
        "batch_size": batch,
        "lr": 1e-3,
        "lr_final": 3e-5,
        "ema_half_life_images": half_life,
        "class_balance": _class_balance(facts),
    }
    reasons = {
        "model.generator": f"above {_SMALL_SIDE} pixels residual blocks with filtered resampling "
        "learn more in the same time and leave no checkerboards",
        "model.width": f"about {images:,.0f} images fit into {seconds:,.0f} s at this width",
        "model.r1_gamma": f"{_GAMMA_64:g} at 64 x 64, in proportion to the number of pixels",
        "model.penalty": "costs half of differentiating twice",
        "batch_size": "on CPUs more steps are worth more than steadier ones"
        if hardware.device == "cpu"
        else "fills a GPU",
        "ema_half_life_images": "2 % of the images that training will see, at most 10,000",
    }
    return fields, reasons | _shared_reasons(facts, fields)


def _width(pixels: int, budget: float) -> int:
    fitting = [width for width in _WIDTHS if budget / _cost(pixels, width) >= _LEAST_IMAGES]
    return max(fitting, default=_WIDTHS[0])


def _cost(pixels: int, width: int) -> float:
    """Operations a training image; grouped convolutions make it grow less than with width²."""
    return float(_WIDE_FLOPS * pixels / 64**2 * (width / 64) ** 1.4)


def _augmentation(facts: DataFacts) -> dict[str, Any]:
    if facts.images >= _FEW:
        return {"augment": ()}
    return {"augment": ("translate", "brightness") if facts.channels == 3 else ("translate",)}


def _class_balance(facts: DataFacts) -> float:
    """The least balance, in steps of 0.05, with which the rarest class gets `_RARE_SHARE` of an
    equal share, as the loader repeats pictures; 1 where none is enough."""
    balances = (step / 20 for step in range(21))
    return next((b for b in balances if _rarest(facts.per_class, b) >= _RARE_SHARE), 1.0)


def _rarest(per_class: tuple[int, ...], balance: float) -> float:
    """Share of the rarest class of all pictures shown, over the share if all were equal."""
    most = max(per_class, default=1)
    shown = [count * round((most / count) ** balance) for count in per_class] or [1]
    return float(min(shown) * len(shown) / sum(shown))


def _shared_reasons(facts: DataFacts, fields: dict[str, Any]) -> dict[str, str]:
    reasons = {
        "model.augment": f"{facts.images:,} pictures: "
        + (
            "enough not to be learnt by heart"
            if not fields["model"].augment
            else "few enough to be learnt by heart by the discriminator"
        )
    }
    if fields["class_balance"]:
        counts = facts.per_class
        reasons["class_balance"] = (
            f"the smallest of {len(counts)} classes has {min(counts):,} of {sum(counts):,} "
            "pictures; rare classes are shown more often"
        )
    return reasons
