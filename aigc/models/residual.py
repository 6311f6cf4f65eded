"""Residual networks without normalisation layers, after R3GAN (Huang et al. 2024, section 3).

Both are stacks of residual blocks, 1x1 -> grouped 3x3 -> 1x1, joined by filtered resampling, so
there are no strided transposed convolutions that leave checkerboards. Blocks begin as the identity:
their last convolution is zero and the others are scaled by depth (Zhang et al. 2019, "Fixup").

Each level of the sampler adds to the picture of the level before it, and the discriminator reads
the picture at each of its levels (the skip connections of StyleGAN2, Karras et al. 2020, fig. 7),
so both also work on pictures of a smaller size: `doublings` counts the levels in use. Layers that
join a finer level begin at zero, so that adding it changes nothing at first.
"""

from __future__ import annotations

import itertools
import math
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aigc.models.config import ModelConfig
from aigc.models.generator import EMBEDDING, Root, joined
from aigc.models.shapes import pyramid
from aigc.specs import GanModel

SLOPE = 0.2
_GROUP = 16
_WIDEST = 4
_FINEST_SHARE = 4
_STEM = 4

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Block(nn.Module):
    """x + f(x) with f a bottleneck; float (B, C, H, W) in and out."""

    def __init__(self, channels: int, depth: int) -> None:
        """`depth`: residual blocks in the whole network, which the initial scale follows."""
        super().__init__()
        groups = math.gcd(channels, max(1, channels // _GROUP))
        self.reduce = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 3, 1, 1, groups=groups)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False)
        for layer in (self.reduce, self.mix):
            # Fixup: L^(-1 / (2m - 2)) for the m = 3 layers of a branch.
            _initialise(layer, math.sqrt(2 / (1 + SLOPE**2)) * depth**-0.25)
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


def upsample(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W), bilinear: the filter [1, 3, 3, 1] / 4 along each side."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Level(nn.Module):
    """One level of the sampler: the features of the level before it, and what its own show."""

    def __init__(self, before: int | None, channels: int, pictures: nn.Conv2d, depth: int) -> None:
        """`before`: channels of the level before it, None for the coarsest; `pictures`: the layer
        from its features to pictures; `depth` as in `Block`, which it has `blocks` of."""
        super().__init__()
        self.join: nn.Module | None = None
        if before not in (None, channels):
            assert before is not None
            self.join = _initialise(nn.Conv2d(before, channels, 1))
        self.doubles = before is not None
        self.blocks = nn.Sequential()
        self.pictures = pictures

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, channels, H', W'), twice the size unless the coarsest."""
        if self.join is not None:
            x = self.join(x)
        if self.doubles:
            x = upsample(x)
        features: Tensor = self.blocks(x)
        return features


class ResidualSampler(nn.Module):
    """Latents, and a class if conditional, to pictures.

    The finest level has a quarter of `width` channels, since most of the pixels are there. The
    output is linear, so white stays reachable: in training mode it may leave [-1, 1], in eval mode
    it is clamped.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        architecture = config.architecture
        assert isinstance(architecture, GanModel)
        grid = pyramid(config.height, config.width)
        finest = max(4, architecture.width // _FINEST_SHARE)
        widths = [*_levels(architecture.width, grid.doublings), finest]
        depth = architecture.blocks * len(widths)
        self.latent_dim, self.doublings = config.latent_dim, grid.doublings
        self.embed = nn.Embedding(len(config.labels), EMBEDDING) if config.conditional else None
        inputs = config.latent_dim + (EMBEDDING if config.conditional else 0)
        self.root = _initialise(
            Root(inputs, (grid.base_height, grid.base_width, widths[0]), bias=True)
        )
        self.levels = nn.ModuleList()
        first = grid.doublings - len(architecture.grow)
        for index, width in enumerate(widths):
            level = Level(
                widths[index - 1] if index else None,
                width,
                _pictures(width, config.channels, 0.5 if index <= first else 0.0),
                depth,
            )
            level.blocks.extend(Block(width, depth) for _ in range(architecture.blocks))
            self.levels.append(level)

    def forward(
        self, z: Tensor, label: Tensor | None = None, doublings: int | None = None
    ) -> Tensor:
        """float (B, latent_dim), int64 (B,) if conditional -> float (B, C, H, W).

        `doublings` levels above the coarsest are used, none means all: each one fewer gives
        pictures of half the height and width.
        """
        pictures = self.preactivation(z, label, doublings)
        return pictures if self.training else pictures.clamp(-1, 1)

    def preactivation(
        self, z: Tensor, label: Tensor | None = None, doublings: int | None = None
    ) -> Tensor:
        """The pictures before they are clamped, (B, C, H, W).

        `label` may also be float (B, 64), rows of `embed` or mixtures of them.
        """
        return self.pictures(joined(z, label, self.embed), doublings)

    def pictures(self, latents: Tensor, doublings: int | None = None) -> Tensor:
        """Latents joined with their classes, (B, inputs) -> (B, C, H, W), not clamped."""
        used = self.doublings if doublings is None else doublings
        x: Tensor = self.root(latents)
        shown: Tensor | None = None
        for level in itertools.islice(self.levels, used + 1):
            assert isinstance(level, Level)
            x = level(x)
            own: Tensor = level.pictures(F.leaky_relu(x, SLOPE))
            shown = own if shown is None else own + upsample(shown)
        assert shown is not None
        return shown


class ResidualDiscriminator(nn.Module):
    """Pictures to logits; a class weighs the features by projection (Miyato & Koyama 2018).

    A strided 4x4 convolution brings the picture to half its size first: at full size blocks cost
    most and tell least. Each picture is judged alone, as gradient penalties need.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        architecture = config.architecture
        assert isinstance(architecture, GanModel)
        grid = pyramid(config.height, config.width)
        widths = _levels(architecture.width, grid.doublings)[::-1]
        depth = architecture.blocks * len(widths)
        self.doublings = grid.doublings
        self.stems = nn.ModuleList(_stem(config.channels, width) for width in widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(width, depth) for _ in range(architecture.blocks)))
            for width in widths
        )
        self.shrink = nn.ModuleList(Downsample(width) for width in widths)
        self.join = nn.ModuleList(
            _initialise(nn.Conv2d(fine, coarse, 1), 0.0 if index < len(architecture.grow) else 1.0)
            for index, (fine, coarse) in enumerate(itertools.pairwise(widths))
        )
        last = widths[-1]
        rest = (grid.base_height // 2) * (grid.base_width // 2)
        self.features = _initialise(nn.Linear(last * rest, last))
        self.judge = _initialise(nn.Linear(last, 1))
        self.embed: nn.Embedding | None = None
        if config.conditional:
            self.embed = nn.Embedding(len(config.labels), last)
            nn.init.normal_(self.embed.weight, 0.0, last**-0.5)

    def forward(
        self, pictures: Tensor, label: Tensor | None = None, doublings: int | None = None
    ) -> Tensor:
        """float (B, C, H, W) in [-1, 1], int64 (B,) if conditional -> logits float (B,).

        H and W are those of the sampler with as many `doublings`, none means all.
        """
        first = 0 if doublings is None else self.doublings - doublings
        x: Tensor = self.blocks[first](self.stems[first](pictures))
        for index in range(first + 1, len(self.blocks)):
            pictures = F.avg_pool2d(pictures, 2)
            coarse = self.join[index - 1](self.shrink[index - 1](x))
            x = self.blocks[index](coarse + self.stems[index](pictures))
        x = F.leaky_relu(self.shrink[-1](x), SLOPE).flatten(1)
        features = F.leaky_relu(self.features(x), SLOPE)
        logits: Tensor = self.judge(features)[:, 0]
        if self.embed is not None and label is not None:
            logits = logits + (self.embed(label) * features).sum(dim=1)
        return logits


def _levels(width: int, doublings: int) -> list[int]:
    """Channels from the coarsest level to that of half the picture's size."""
    return [width * min(2**level, _WIDEST) for level in range(doublings - 1, -1, -1)]


def _stem(channels: int, width: int) -> nn.Conv2d:
    return _initialise(nn.Conv2d(channels, width, _STEM, 2, _STEM // 2 - 1))


def _pictures(width: int, channels: int, gain: float) -> nn.Conv2d:
    return _initialise(nn.Conv2d(width, channels, 3, 1, 1), gain)


def _initialise(layer: Layer, gain: float = 1.0) -> Layer:
    """Normal weights of variance gain^2 / fan-in, zero biases."""
    nn.init.normal_(layer.weight, 0.0, gain * layer.weight[0].numel() ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
