"""The published sampler rewritten for speed: the same function of (z, label) in fewer operations.

Every BatchNorm is folded into the layer before it, the weights are kept in the precision they are
multiplied in, and transposed convolutions are computed in the form that is fastest for their size,
precision and device (`upsampling`). A picture does not depend on the others of its batch.
"""

from __future__ import annotations

import copy
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aigc.families.networks.generator import ConvSampler, Root, joined
from aigc.families.networks.residual import ResidualSampler
from aigc.families.networks.sampling import PriorInference, PriorSampler
from aigc.families.networks.upsampling import Planes, SignReLU, Spread, Subpixel, Winograd

_FEW_CHANNELS = 16
_MANY_CHANNELS, _FEW_TILES = 128, 4
"""Winograd's form is faster from `_MANY_CHANNELS` input channels on; with more than `_FEW_TILES`
tiles, from twice as many."""


def for_inference(
    sampler: nn.Module, dtype: torch.dtype, device: str = "cpu"
) -> Inference | ResidualInference | PriorInference:
    """`sampler` in eval mode and `dtype`, faster; forward(z, label) gives float32 in [-1, 1].

    `label` may be float (B, E), as `embeddings` gives; with a prior, as `points` gives.
    """
    if isinstance(sampler, PriorSampler):
        prior = copy.deepcopy(sampler.prior).float().eval().to(device)
        return PriorInference(prior, for_inference(sampler.decoder, dtype, device))
    if isinstance(sampler, ResidualSampler):
        plain = copy.deepcopy(sampler).eval().requires_grad_(False)
        cast = ResidualInference(plain, dtype).to(device, dtype)
        return cast.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    if not isinstance(sampler, ConvSampler):
        raise TypeError(f"{type(sampler).__name__} has no inference form")
    fast = copy.deepcopy(sampler).float().eval().requires_grad_(False)
    norm, *layers = fast.layers
    assert isinstance(norm, nn.BatchNorm2d)
    root, layers = _fold_root(fast.root, norm), _fold_all(layers)
    if dtype == torch.float32 and device == "cpu":
        parts = [Planes(root), *_planar(layers, *root.grid[:2])]
    else:
        held = [root, *layers, *([fast.embed] if fast.embed else [])]
        by_sign = dtype == torch.bfloat16 and device == "cpu" and _is_sound(held)
        parts = [root, *(_piece(layer, by_sign) for layer in layers)]
    made = Inference(fast, nn.Sequential(*parts), dtype).to(device, dtype)
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class Inference(nn.Module):
    """Casts inputs and outputs: callers get float32, whatever the dtype of the weights is."""

    def __init__(self, sampler: ConvSampler, layers: nn.Module, dtype: torch.dtype) -> None:
        """`layers` replace those of `sampler`."""
        super().__init__()
        self.embed, self.layers, self.dtype = sampler.embed, layers, dtype

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = self.layers(joined(z.to(self.dtype), label, self.embed))
        return torch.tanh(pictures.float())

    def embeddings(self, label: Tensor) -> Tensor:
        """int64 (B,) to float (B, 64), in the precision of the weights."""
        assert self.embed is not None
        known: Tensor = self.embed(label)
        return known


class ResidualInference(nn.Module):
    """The residual sampler with casts of inputs and outputs; it has no normalisation to fold."""

    def __init__(self, sampler: ResidualSampler, dtype: torch.dtype) -> None:
        super().__init__()
        self.sampler, self.dtype = sampler, dtype

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = self.sampler.preactivation(z.to(self.dtype), label)
        return pictures.float().clamp(-1, 1)

    def embeddings(self, label: Tensor) -> Tensor:
        """int64 (B,) to float (B, 64), in the precision of the weights."""
        assert self.sampler.embed is not None
        known: Tensor = self.sampler.embed(label)
        return known


def _fold_root(root: Root, norm: nn.BatchNorm2d) -> Root:
    """BatchNorm after a matrix product whose outputs are pixels, channels last."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    pixels = root.out_features // len(scale)
    folded = Root(root.in_features, root.grid, bias=True)
    folded.load_state_dict(
        {"weight": root.weight * scale.repeat(pixels)[:, None], "bias": shift.repeat(pixels)}
    )
    return folded


def _fold_all(layers: list[nn.Module]) -> list[nn.Module]:
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            before = folded.pop()
            assert isinstance(before, nn.ConvTranspose2d)
            folded.append(fuse_conv_bn_eval(before, layer, transpose=True))
        else:
            folded.append(layer)
    return folded


def _is_sound(modules: list[nn.Module]) -> bool:
    """Whether all weights are finite in bfloat16, in which they are multiplied."""
    held = nn.ModuleList(modules).state_dict().values()
    return all(bool(each.bfloat16().isfinite().all()) for each in held)


def _piece(layer: nn.Module, by_sign: bool) -> nn.Module:
    if _few(layer):
        return Subpixel(layer)
    return SignReLU() if by_sign and isinstance(layer, nn.ReLU) else layer


def _planar(layers: list[nn.Module], height: int, width: int) -> list[nn.Module]:
    """The forms for float32 on CPUs; the input of the first transposed layer is height x width."""
    formed: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            formed.append(_form(layer, height, width))
            height, width = 2 * height, 2 * width
        elif not (formed and isinstance(formed[-1], Winograd)):  # whose ReLU is its own
            formed.append(layer)
    return formed


def _form(layer: nn.ConvTranspose2d, height: int, width: int) -> nn.Module:
    if _few(layer):
        return Spread(layer)
    tiles = Winograd.tiles(height, width)
    least = _MANY_CHANNELS if tiles <= _FEW_TILES else 2 * _MANY_CHANNELS
    return Winograd(layer, height, width) if tiles and layer.in_channels >= least else layer


def _few(layer: nn.Module) -> TypeGuard[nn.ConvTranspose2d]:
    return isinstance(layer, nn.ConvTranspose2d) and layer.out_channels <= _FEW_CHANNELS
