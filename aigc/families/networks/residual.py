"""Residual networks without normalisation layers, after R3GAN (Huang et al. 2024, section 3).

Both are stacks of residual blocks, 1x1 -> grouped 3x3 -> 1x1, with filtered resampling between them
instead of strided transposed convolutions, which cause checkerboards. Blocks are initialised to the
identity: their last convolution is zero, the others are scaled by depth (Zhang et al. 2019,
"Fixup").
"""

from __future__ import annotations

import itertools
import math
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aigc.families.config import ModelConfig
from aigc.families.latent import FULL_SIZE_SIDE
from aigc.families.networks.generator import EMBEDDING, Root, joined
from aigc.families.networks.settings import settings_of
from aigc.families.networks.shapes import pyramid

SLOPE = 0.2
_GROUP = 16
_WIDEST = 4
_STEM = 4

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class ResidualBlock(nn.Module):
    """x + f(x) with f a bottleneck; float (B, C, H, W) in and out."""

    def __init__(self, channels: int, depth: int) -> None:
        """`depth`: residual blocks in the whole network, from which the initial scale follows."""
        super().__init__()
        groups = math.gcd(channels, max(1, channels // _GROUP))
        self.reduce = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 3, 1, 1, groups=groups)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False)
        for layer in (self.reduce, self.mix):
            # Fixup: L^(-1 / (2m - 2)) for the m = 3 layers of a branch.
            initialise(layer, math.sqrt(2 / (1 + SLOPE**2)) * depth**-0.25)
        nn.init.zeros_(self.expand.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(self.reduce(x), SLOPE)
        inner = F.leaky_relu(self.mix(inner), SLOPE)
        branch: Tensor = self.expand(inner)
        return x + branch


class Downsample(nn.Module):
    """Half the height and width through the filter [1, 3, 3, 1] / 8 along each side."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = torch.outer(line, line).expand(channels, 1, 4, 4).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H // 2, W // 2)."""
        return F.conv2d(x, self.kernel, stride=2, padding=1, groups=len(self.kernel))


class Upsample(nn.Module):
    """Twice the height and width, bilinear: the filter [1, 3, 3, 1] / 4 along each side."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ResidualSampler(nn.Module):
    """Latents, and a class if conditional, to pictures.

    The finest level has a quarter of `width` channels, up to 32 pixels half of it, rounded up to a
    multiple of 8, because most of the pixels are there. The output is linear, so that it can reach
    -1 and 1: in training mode it may leave this range, in eval mode it is clamped.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        architecture = settings_of(config)
        channels, height, width = config.picture
        grid = pyramid(height, width)
        widths = [*_levels(architecture.width, grid.doublings), _finest(config)]
        depth = architecture.blocks * len(widths)
        self.latent_dim = settings_of(config).latent_dim
        self.embed = nn.Embedding(len(config.labels), EMBEDDING) if config.conditional else None
        inputs = settings_of(config).latent_dim + (EMBEDDING if config.conditional else 0)
        root = Root(inputs, (grid.base_height, grid.base_width, widths[0]), bias=True)
        self.root = initialise(root)
        layers: list[nn.Module] = _blocks(widths[0], architecture.blocks, depth)
        for coarse, fine in itertools.pairwise(widths):
            layers += [*_joint(coarse, fine), Upsample()]
            layers += _blocks(fine, architecture.blocks, depth)
        layers.append(nn.LeakyReLU(SLOPE))
        layers.append(initialise(nn.Conv2d(widths[-1], channels, 3, 1, 1), 0.5))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, latent_dim), int64 (B,) if conditional -> float (B, C, H, W)."""
        return self.activation(self.preactivation(z, label))

    def activation(self, preactivation: Tensor) -> Tensor:
        """Pictures: clamped to [-1, 1] in eval mode, unchanged in training mode."""
        return preactivation if self.training else preactivation.clamp(-1, 1)

    def preactivation(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The pictures before they are clamped, (B, C, H, W).

        `label` may also be float (B, 64), rows of `embed` or mixtures of them.
        """
        pictures: Tensor = self.layers(self.root(joined(z, label, self.embed)))
        return pictures


class ResidualTrunk(nn.Module):
    """Pictures to features: the body of the discriminator and of the encoder.

    A strided 4x4 convolution first halves the picture's size, because blocks at full size cost most
    and help least; up to 32 pixels they are there, as halving would lose detail. Features depend on
    one picture only, which gradient penalties need.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        architecture = settings_of(config)
        channels, height, width = config.picture
        grid = pyramid(height, width)
        widths = _levels(architecture.width, grid.doublings)[::-1]
        if _is_detailed(config):
            widths = [_finest(config), *widths]
            stem = nn.Conv2d(channels, widths[0], 3, 1, 1)
        else:
            stem = nn.Conv2d(channels, widths[0], _STEM, 2, _STEM // 2 - 1)
        depth = architecture.blocks * len(widths)
        layers: list[nn.Module] = [initialise(stem)]
        for fine, coarse in itertools.pairwise(widths):
            layers += _blocks(fine, architecture.blocks, depth)
            layers += [Downsample(fine), *_joint(fine, coarse)]
        layers += _blocks(widths[-1], architecture.blocks, depth)
        self.layers = nn.Sequential(*layers, Downsample(widths[-1]), nn.LeakyReLU(SLOPE))
        self.coarsest = widths[-1]
        self.outputs = widths[-1] * (grid.base_height // 2) * (grid.base_width // 2)

    def coarse(self, pictures: Tensor) -> Tensor:
        """float (B, C, H, W) in [-1, 1] -> features float (B, outputs)."""
        features: Tensor = self.layers(pictures).flatten(1)
        return features


class ResidualDiscriminator(ResidualTrunk):
    """Pictures to logits; the class weights the features by projection (Miyato & Koyama 2018)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        last = self.coarsest
        self.features = initialise(nn.Linear(self.outputs, last))
        self.judge = initialise(nn.Linear(last, 1))
        self.embed: nn.Embedding | None = None
        if config.conditional:
            self.embed = nn.Embedding(len(config.labels), last)
            nn.init.normal_(self.embed.weight, 0.0, last**-0.5)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, C, H, W) in [-1, 1], int64 (B,) if conditional -> logits float (B,)."""
        return self._logits(self.coarse(pictures), label)

    def with_features(
        self, pictures: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits as `forward` gives them, and the features (B, C, H, W) of each resolution."""
        features = []
        for layer in self.layers:
            pictures = layer(pictures)
            if isinstance(layer, Downsample):
                features.append(pictures)
        return self._logits(pictures.flatten(1), label), features

    def _logits(self, coarse: Tensor, label: Tensor | None) -> Tensor:
        features = F.leaky_relu(self.features(coarse), SLOPE)
        logits: Tensor = self.judge(features)[:, 0]
        if self.embed is not None and label is not None:
            logits = logits + (self.embed(label) * features).sum(dim=1)
        return logits


def _levels(width: int, doublings: int) -> list[int]:
    """Channels of each level, from the coarsest to that of half the picture's size."""
    return [width * min(2**level, _WIDEST) for level in range(doublings - 1, -1, -1)]


def _is_detailed(config: ModelConfig) -> bool:
    _, height, width = config.picture
    return max(height, width) <= FULL_SIZE_SIDE


def _finest(config: ModelConfig) -> int:
    """Channels of the level of the picture's own size."""
    share = 2 if _is_detailed(config) else 4
    return 8 * math.ceil(settings_of(config).width / (8 * share))


def _blocks(channels: int, count: int, depth: int) -> list[nn.Module]:
    return [ResidualBlock(channels, depth) for _ in range(count)]


def _joint(before: int, after: int) -> list[nn.Module]:
    """A convolution from one number of channels to another; none if they are equal."""
    return [] if before == after else [initialise(nn.Conv2d(before, after, 1))]


def initialise(layer: Layer, gain: float = 1.0) -> Layer:
    """Normal weights of variance gain^2 / fan-in, zero biases."""
    nn.init.normal_(layer.weight, 0.0, gain * layer.weight[0].numel() ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
