"""The published sampler rewritten for speed: the same function of (z, label) in fewer operations.

Every BatchNorm is folded into the layer before it, the weights are kept in the precision they are
multiplied in, and a transposed convolution with few output channels becomes the ordinary
convolution that it is between pixels (Shi et al. 2016, "Is the deconvolution layer the same as a
convolutional layer?"): libraries pad such channels to whole vectors, which costs four to five times
the work for a grey picture. A picture never depends on the others of its batch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aigc.models.generator import ConvSampler

_FEW_CHANNELS = 16


class Subpixel(nn.Module):
    """ConvTranspose2d of kernel 4, stride 2, padding 1, as a 2x2 convolution with 4 x the channels.

    Output row 2i sees inputs i-1 and i, row 2i+1 sees i and i+1; likewise columns. The convolution
    gives all four phases at every corner between input pixels; each phase takes its corners.
    """

    def __init__(self, transposed: nn.ConvTranspose2d) -> None:
        super().__init__()
        inputs, self.channels = transposed.weight.shape[:2]
        taps = ((3, 1), (2, 0))
        weight = torch.zeros(2, 2, self.channels, inputs, 2, 2)
        for a in range(2):
            for b in range(2):
                picked = transposed.weight.detach()[:, :, taps[a]][:, :, :, taps[b]]
                weight[a, b] = picked.transpose(0, 1)
        self.conv = nn.Conv2d(inputs, 4 * self.channels, 2, padding=1)
        bias = torch.zeros(self.channels) if transposed.bias is None else transposed.bias
        self.conv.load_state_dict(
            {"weight": weight.reshape(self.conv.weight.shape), "bias": bias.detach().repeat(4)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) -> (B, Cout, 2H, 2W)."""
        count, _, height, width = x.shape
        corners = self.conv(x).permute(0, 2, 3, 1)
        phases = corners.reshape(count, height + 1, width + 1, 2, 2, self.channels)
        fine = phases.new_empty(count, height, 2, width, 2, self.channels)
        for a in range(2):
            for b in range(2):
                fine[:, :, a, :, b] = phases[:, a : a + height, b : b + width, a, b]
        pictures: Tensor = fine.reshape(count, 2 * height, 2 * width, self.channels)
        return pictures.permute(0, 3, 1, 2)


def for_inference(sampler: nn.Module, dtype: torch.dtype) -> Inference:
    """`sampler` in eval mode and `dtype`, faster; forward(z, label) gives float32 in [-1, 1]."""
    if not isinstance(sampler, ConvSampler):
        raise TypeError(f"{type(sampler).__name__} has no inference form")
    fast = copy.deepcopy(sampler).float().eval()
    norm, *layers = fast.layers
    assert isinstance(norm, nn.BatchNorm2d)
    fast.root = _fold_linear(fast.root, norm)
    fast.layers = nn.Sequential(*_fold_all(layers))
    return Inference(fast.to(dtype).to(memory_format=torch.channels_last), dtype)  # type: ignore[call-overload]


class Inference(nn.Module):
    """Casts at the borders, so that callers see float32 whatever the weights are held in."""

    def __init__(self, sampler: ConvSampler, dtype: torch.dtype) -> None:
        super().__init__()
        self.sampler, self.dtype = sampler.requires_grad_(False), dtype

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = self.sampler.preactivation(z.to(self.dtype), label)
        return torch.tanh(pictures.float())

    def embeddings(self, label: Tensor) -> Tensor:
        """int64 (B,) to float (B, 64), in the precision of the weights."""
        assert self.sampler.embed is not None
        known: Tensor = self.sampler.embed(label)
        return known


def _fold_linear(root: nn.Linear, norm: nn.BatchNorm2d) -> nn.Linear:
    """BatchNorm after a matrix product whose outputs are pixels, channels last."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    pixels = root.out_features // len(scale)
    folded = nn.Linear(root.in_features, root.out_features)
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
    return [_narrow(layer) for layer in folded]


def _narrow(layer: nn.Module) -> nn.Module:
    few = isinstance(layer, nn.ConvTranspose2d) and layer.out_channels <= _FEW_CHANNELS
    return Subpixel(layer) if few and isinstance(layer, nn.ConvTranspose2d) else layer
