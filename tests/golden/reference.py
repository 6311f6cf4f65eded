"""The exact networks once more, in float64 by NumPy alone: what every machine has to give.

The first layer is `rint`: see `networks.Size.rounder`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.golden.networks import UNIT, Size, Tensors
from tests.golden.weights import Array, Floats, Ints

Maps = npt.NDArray[np.float64]
"""(N, C, H, W)."""
SLOPE = np.float32(0.2)


def deconvolved(size: Size, tensors: Tensors, noise: Floats, labels: Ints | None) -> Maps:
    """What the decoder gives before tanh: multiples of 1/16."""
    fine = size.width
    x = _rounded(size, tensors, noise, labels)
    shift = tensors["sampler.layers.3.bias"].astype(np.float64)
    x = np.maximum(_transposed(x, tensors["sampler.layers.2.weight"]) + _tall(shift, fine), 0)
    x = _transposed(x, tensors["sampler.layers.5.weight"])
    return x + _tall(tensors["sampler.layers.5.bias"], size.channels)


def residual(size: Size, tensors: Tensors, noise: Floats, labels: Ints | None) -> Maps:
    """What the residual generator gives before it is clamped."""
    x = _rounded(size, tensors, noise, labels)
    x = _convolved(x, tensors, "sampler.layers.1")
    for block in (3, 5):
        x = _doubled(x)
        inner = _convolved(x, tensors, f"sampler.layers.{block}.reduce")
        assert inner.min() > 0, "LeakyReLU would round"
        inner = _convolved(inner, tensors, f"sampler.layers.{block}.mix")
        assert inner.min() > 0, "LeakyReLU would round"
        x = x + _convolved(inner, tensors, f"sampler.layers.{block}.expand")
    leaky = np.where(x > 0, x, x.astype(np.float32) * SLOPE)
    return _convolved(leaky, tensors, "sampler.layers.7").astype(np.float32).astype(np.float64)


def levels(values: Maps) -> npt.NDArray[np.uint8]:
    """Numbers in [-1, 1] as grey levels (N, H, W, C), rounded as float32 does it."""
    scaled = (np.clip(values, -1, 1).astype(np.float32) + np.float32(1)) * np.float32(127.5)
    rounded: npt.NDArray[np.uint8] = np.rint(scaled).astype(np.uint8).transpose(0, 2, 3, 1)
    return rounded


def _rounded(size: Size, tensors: Tensors, noise: Floats, labels: Ints | None) -> Maps:
    """The first layer, (N, C, H, W): products of powers of two, rounded to units."""
    rows = noise.astype(np.float64)
    if labels is not None:
        rows = np.concatenate([rows, tensors["sampler.embed.weight"][labels]], axis=1)
    units = np.rint(rows @ tensors["sampler.root.weight"].T.astype(np.float64) / UNIT) * UNIT
    return units.reshape(len(rows), *size.base, -1).transpose(0, 3, 1, 2)


def _transposed(x: Maps, weight: Array) -> Maps:
    """Kernel 4, stride 2, padding 1: (N, Cin, H, W) to (N, Cout, 2H, 2W)."""
    count, _, height, width = x.shape
    out = np.zeros((count, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for down, right in np.ndindex(4, 4):
        taken = np.einsum("nihw,io->nohw", x, weight[:, :, down, right].astype(np.float64))
        out[:, :, down : down + 2 * height : 2, right : right + 2 * width : 2] += taken
    return out[:, :, 1:-1, 1:-1]


def _convolved(x: Maps, tensors: Tensors, name: str) -> Maps:
    """A convolution that keeps height and width."""
    weight = tensors[f"{name}.weight"].astype(np.float64)
    edge = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    out = np.zeros((len(x), len(weight), *x.shape[2:]))
    for down, right in np.ndindex(*weight.shape[2:]):
        seen = padded[:, :, down : down + x.shape[2], right : right + x.shape[3]]
        out += np.einsum("nihw,oi->nohw", seen, weight[:, :, down, right])
    bias = tensors.get(f"{name}.bias")
    return out if bias is None else out + _tall(bias, len(weight))


def _doubled(x: Maps) -> Maps:
    """Bilinear, each new pixel a quarter away from an old one."""
    for axis in (2, 3):
        ends = [(1, 1) if at == axis else (0, 0) for at in range(4)]
        wide, count = np.pad(x, ends, mode="edge"), x.shape[axis]
        before, here, after = (np.take(wide, np.arange(count) + at, axis) for at in range(3))
        pair = np.stack([0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape)
    return x


def _tall(bias: npt.ArrayLike, channels: int) -> Maps:
    return np.asarray(bias, np.float64).reshape(1, channels, 1, 1)
