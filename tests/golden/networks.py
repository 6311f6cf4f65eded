"""Tensors of exact networks, by the names that model folders have for them.

`UNIT` is what noise is rounded to. Shapes follow the published architectures, written down here a
second time: a change of theirs makes models that exist already unreadable, and must be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.golden.weights import Array, Floats, integers, sparse, uniform

UNIT = 0.5
EMBEDDING = 64
FP32, BF16 = 23, 7
"""Bits of a mantissa after the first."""
Tensors = dict[str, Array]


@dataclass(frozen=True)
class Size:
    """Of a network whose pictures are its `base` (H, W) doubled twice."""

    name: str
    base: tuple[int, int]
    width: int
    latent_dim: int
    classes: int
    channels: int
    mantissa: int = FP32

    @property
    def inputs(self) -> int:
        return self.latent_dim + (EMBEDDING if self.classes else 0)

    @property
    def rounder(self) -> float:
        """A number whose neighbours are one UNIT away: what is added to it is rounded."""
        return 1.5 * 2.0**self.mantissa * UNIT


def decoder(size: Size) -> Tensors:
    """DCGAN's generator, or a VAE's decoder: 2·width and width channels, then the picture."""
    name, wide, fine = size.name, 2 * size.width, size.width
    up = np.zeros((wide, fine, 4, 4), np.float32)
    picked = integers(f"{name} up", (fine, 2, 2), 0, wide - 1)
    for channel, down, right in np.ndindex(fine, 2, 2):
        up[picked[channel, down, right], channel, 1 + down, 1 + right] = 1
    last = sparse(f"{name} last", size.channels, 4 * fine * 4, 64, -2, 2) / 8
    last = last.reshape(size.channels, fine, 4, 4).transpose(1, 0, 2, 3)
    shift = integers(f"{name} shift", (fine,), -2, 2) * UNIT
    return {
        **_root(size, wide),
        **_norm("sampler.layers.0", wide, 2, np.full(wide, size.rounder), np.zeros(wide), 4),
        "sampler.layers.2.weight": up,
        **_norm("sampler.layers.3", fine, 1, shift, np.full(fine, size.rounder), 1),
        "sampler.layers.5.weight": np.ascontiguousarray(last),
        "sampler.layers.5.bias": _f32(integers(f"{name} tone", (size.channels,), -4, 4) / 16),
    }


def residual(size: Size) -> Tensors:
    """The residual generator: 2·width, width and 8 channels, a block each."""
    name, wide, fine, last = size.name, 2 * size.width, size.width, 8
    tensors = _root(size, wide) | {
        "sampler.root.bias": np.full(size.base[0] * size.base[1] * wide, size.rounder, np.float32),
        **_subtract("sampler.layers.0", wide, size.rounder),
        "sampler.layers.1.weight": sparse(f"{name} joint", fine, wide, 5, -1, 1)[..., None, None],
        "sampler.layers.1.bias": _f32(integers(f"{name} joint bias", (fine,), -2, 2) * UNIT),
        **_mixing(name, "sampler.layers.3", fine),
        **_mixing(name, "sampler.layers.5", last),
        "sampler.layers.7.bias": _f32(integers(f"{name} tone", (size.channels,), -3, 3) / 16),
    }
    assert fine == last, "another layer would be needed between them"
    tap = np.zeros((size.channels, last, 3, 3), np.float32)
    for channel in range(size.channels):
        tap[channel, (3 * channel + 1) % last, channel % 3, 1] = (-1) ** channel / 8
    return tensors | {"sampler.layers.7.weight": tap}


def projection_discriminator(size: Size) -> Tensors:
    """Rounds pixels in [-1, 1] to sixteenths, keeps every second one twice over, and mixes."""
    name, widths = size.name, (size.channels, size.width, 2 * size.width, 4 * size.width)
    rounder = 1.5 * 2.0**23 / 16
    cells = -(-size.base[0] // 2) * -(-size.base[1] // 2)
    tensors: Tensors = {}
    for layer, (before, after, bias) in enumerate(
        [(*widths[0:2], rounder), (*widths[1:3], 2 - rounder)]
    ):
        weight = np.zeros((after, before, 4, 4), np.float32)
        places = integers(f"{name} judge {layer}", (after, 2), 1, 2)
        for out in range(after):
            weight[out, out % before, places[out, 0], places[out, 1]] = 1
        tensors[f"discriminator.layers.{2 * layer}.weight"] = weight
        tensors[f"discriminator.layers.{2 * layer}.bias"] = np.full(after, bias, np.float32)
    mixed = sparse(f"{name} judge 2", widths[3], widths[2] * 9, 8, -1, 1)
    features = widths[3] * cells
    return tensors | {
        "discriminator.layers.4.weight": mixed.reshape(widths[3], widths[2], 3, 3),
        "discriminator.layers.4.bias": np.full(widths[3], 32, np.float32),
        "discriminator.judge.weight": sparse(f"{name} logit", 1, features, 24, -2, 2) / 8,
        "discriminator.judge.bias": np.zeros(1, np.float32),
        "discriminator.embed.weight": sparse(f"{name} e", size.classes, features, 8, -1, 1) / 8,
    }


def prior(size: Size) -> Tensors:
    """A mixture of three Gaussians a class. Two terms a row at most, so sums have no order."""
    count, dim = 3 * max(1, size.classes), size.latent_dim
    factor = np.zeros((count, dim, dim), np.float32)
    powers = integers(f"{size.name} scale", (count, dim), 0, 2)
    beside = integers(f"{size.name} beside", (count, dim), -1, 1)
    for at, row in np.ndindex(count, dim):
        factor[at, row, row] = 2.0 ** -powers[at, row]
        if row:
            factor[at, row, row - 1] = beside[at, row] / 4
    return {
        "sampler.prior.weight": np.tile(_f32(np.array([0.25, 0.5, 0.25])), (count // 3, 1)),
        "sampler.prior.parts.mean": _f32(integers(f"{size.name} mean", (count, dim), -4, 4) / 4),
        "sampler.prior.parts.factor": factor,
    }


def encoder(size: Size) -> Tensors:
    """A VAE's. Not exact: its means are rounded to units by the decoder's first layer."""
    name, widths = size.name, (size.channels, size.width, 2 * size.width)
    features = widths[2] * size.base[0] * size.base[1]
    tensors: Tensors = {}
    for layer, (before, after) in enumerate([widths[0:2], widths[1:3]]):
        weight = integers(f"{name} encoder {layer}", (after, before, 4, 4), -3, 3) / 16
        tensors[f"encoder.layers.{3 * layer}.weight"] = _f32(weight)
        zeros = np.zeros(after)
        tensors |= _norm(f"encoder.layers.{3 * layer + 1}", after, 1, zeros, zeros, 1)
    outputs = 2 * size.latent_dim
    posterior = integers(f"{name} posterior", (outputs, features), -3, 3) / 64
    return tensors | {
        "encoder.posterior.weight": _f32(posterior),
        "encoder.posterior.bias": np.zeros(outputs, np.float32),
        "encoder.embed.weight": _f32(integers(f"{name} class", (size.classes, outputs), -2, 2) / 8),
    }


def ordinary(tensors: Tensors, name: str) -> Tensors:
    """The same names and shapes with dense weights of a trained network's size, so that sums
    round; BatchNorm's and the prior's tensors stay."""
    dense = {}
    for key, value in tensors.items():
        kept = value.ndim < 2 or key.startswith("sampler.prior.")
        reach = 1.7 / float(np.prod(value.shape[1:])) ** 0.5 if value.ndim > 1 else 0.0
        if "embed" in key:
            reach = 1.0
        dense[key] = value if kept else uniform(f"{name} {key}", value.shape, reach)
    return dense


def _root(size: Size, wide: int) -> Tensors:
    """One power of two a row: every fourth channel sees the class, the others the noise."""
    name, rows = size.name, size.base[0] * size.base[1] * wide
    weight = np.zeros((rows, size.inputs), np.float32)
    noise = integers(f"{name} noise", (rows,), 0, size.latent_dim - 1)
    known = integers(f"{name} class", (rows,), size.latent_dim, size.latent_dim + EMBEDDING - 1)
    scale = 2.0 ** integers(f"{name} scale", (rows,), 0, 1)
    sign = 2 * integers(f"{name} sign", (rows,), 0, 1) - 1
    sees_class = (np.arange(rows) % wide % 4 == 3) & (size.classes > 0)
    weight[np.arange(rows), np.where(sees_class, known, noise)] = sign * scale
    tensors: Tensors = {"sampler.root.weight": weight}
    if size.classes:
        embed = integers(f"{name} embed", (size.classes, EMBEDDING), -4, 4) * UNIT
        tensors["sampler.embed.weight"] = _f32(embed)
    return tensors


def _norm(
    name: str, channels: int, weight: float, bias: Array, mean: Array, variance: float
) -> Tensors:
    """BatchNorm whose scale, weight / sqrt(variance), is a power of two in float32."""
    stored = np.float32(variance) - np.float32(1e-5)
    assert stored + np.float32(1e-5) == np.float32(variance)
    return {
        f"{name}.weight": np.full(channels, weight, np.float32),
        f"{name}.bias": _f32(bias),
        f"{name}.running_mean": _f32(mean),
        f"{name}.running_var": np.full(channels, stored, np.float32),
        f"{name}.num_batches_tracked": np.array(0, np.int64),
    }


def _subtract(name: str, channels: int, value: float) -> Tensors:
    """A residual block that adds -value to everything."""
    expand = np.zeros((channels, channels, 1, 1), np.float32)
    expand[:, 0] = -value
    return {
        f"{name}.reduce.weight": np.zeros((channels, channels, 1, 1), np.float32),
        f"{name}.reduce.bias": np.zeros(channels, np.float32),
        f"{name}.mix.weight": np.zeros((channels, channels, 3, 3), np.float32),
        f"{name}.mix.bias": np.ones(channels, np.float32),
        f"{name}.expand.weight": expand,
    }


def _mixing(model: str, name: str, channels: int) -> Tensors:
    """A residual block whose inner values stay above 0, where LeakyReLU is exact."""
    key = f"{model} {name}"
    mix = sparse(f"{key} mix", channels, channels * 9, 4, 0, 1)
    return {
        f"{name}.reduce.weight": sparse(f"{key} reduce", channels, channels, 2, -1, 1)[
            ..., None, None
        ],
        f"{name}.reduce.bias": np.full(channels, 64, np.float32),
        f"{name}.mix.weight": mix.reshape(channels, channels, 3, 3),
        f"{name}.mix.bias": np.full(channels, 1, np.float32),
        f"{name}.expand.weight": _pairs(f"{key} expand", channels)[..., None, None],
    }


def _pairs(name: str, channels: int) -> Floats:
    """(channels, channels) of +1/16 and -1/16 a row: what is added to all of them cancels."""
    found = np.zeros((channels, channels), np.float32)
    first = integers(name, (channels,), 0, channels - 1)
    rows = np.arange(channels)
    found[rows, first] += 1 / 16
    found[rows, (first + 1 + rows % (channels - 1)) % channels] -= 1 / 16
    return found


def _f32(values: Array) -> Floats:
    exact = np.asarray(values).astype(np.float32)
    assert (exact == values).all()
    return exact
