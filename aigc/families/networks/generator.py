"""The sampler of both families: maps latents, and a class, to pictures by repeated upsampling."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from aigc.families.config import ModelConfig
from aigc.families.networks.settings import settings_of
from aigc.families.networks.shapes import pyramid

EMBEDDING = 64
_INIT_STD = 0.02


class Root(nn.Linear):
    """A transposed convolution of a 1x1 input as a matrix product; channels last."""

    def __init__(self, inputs: int, grid: tuple[int, int, int], *, bias: bool) -> None:
        """`grid` is (H, W, C)."""
        super().__init__(inputs, math.prod(grid), bias=bias)
        self.grid = grid

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs) -> (B, C, H, W)."""
        return super().forward(z).view(-1, *self.grid).permute(0, 3, 1, 2)


class ConvSampler(nn.Module):
    """DCGAN's generator (Radford et al. 2016): transposed convolutions and BatchNorm.

    The embedding of the class is concatenated to the latent. As a VAE's decoder it returns the mean
    of the likelihood. In eval mode BatchNorm uses its running statistics, so a picture does not
    depend on the others of its batch.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, height, width = config.picture
        grid = pyramid(height, width)
        levels = grid.channels(settings_of(config).width)
        self.latent_dim = settings_of(config).latent_dim
        self.embed = nn.Embedding(len(config.labels), EMBEDDING) if config.conditional else None
        inputs = settings_of(config).latent_dim + (EMBEDDING if config.conditional else 0)
        self.root = Root(inputs, (grid.base_height, grid.base_width, levels[0]), bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(levels[0]), nn.ReLU(inplace=True)]
        for coarse, fine in itertools.pairwise(levels):
            layers += [
                nn.ConvTranspose2d(coarse, fine, 4, 2, 1, bias=False),
                nn.BatchNorm2d(fine),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(levels[-1], channels, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, latent_dim), int64 (B,) if conditional -> float (B, C, H, W) in [-1, 1]."""
        return self.activation(self.preactivation(z, label))

    def activation(self, preactivation: Tensor) -> Tensor:
        """Pictures in [-1, 1]."""
        return torch.tanh(preactivation)

    def preactivation(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The pictures before tanh: any real number, (B, C, H, W).

        `label` may also be float (B, 64), rows of `embed` or mixtures of them.
        """
        pictures: Tensor = self.layers(self.root(joined(z, label, self.embed)))
        return pictures


def joined(z: Tensor, label: Tensor | None, embed: nn.Embedding | None) -> Tensor:
    """Latents (B, latent_dim) and the embeddings of their classes: the input of the first layer."""
    if embed is None:
        return z
    if label is None:
        raise ValueError("a conditional sampler needs a label for each latent")
    known = label.to(z.dtype) if label.is_floating_point() else embed(label)
    return torch.cat([z, known], dim=1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, _INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _INIT_STD)
        nn.init.zeros_(module.bias)
