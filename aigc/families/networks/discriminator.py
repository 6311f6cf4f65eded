"""Discriminators: DCGAN's with BatchNorm, and the projection discriminator."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks.settings import settings_of
from aigc.families.networks.shapes import pyramid

_SLOPE = 0.2
_INIT_STD = 0.02


class DcganDiscriminator(nn.Module):
    """Radford et al. 2016: strided convolutions, BatchNorm in all but the first, LeakyReLU 0.2.

    The class is an additional channel of the picture.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, height, width = config.picture
        grid = pyramid(height, width)
        widths = grid.channels(settings_of(config).width)[::-1]
        self.shape = (height, width)
        pixels = height * width
        self.embed = nn.Embedding(len(config.labels), pixels) if config.conditional else None
        inputs = channels + (1 if config.conditional else 0)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(zip([inputs, *widths], widths, strict=False)):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=index == 0))
            if index > 0:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
        layers.append(nn.Conv2d(widths[-1], 1, (grid.base_height, grid.base_width)))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise_dcgan)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, C, H, W) in [-1, 1], int64 (B,) if conditional -> logits float (B,)."""
        if self.embed is not None and label is not None:
            plane = self.embed(label).view(-1, 1, *self.shape)
            pictures = torch.cat([pictures, plane.to(pictures.dtype)], dim=1)
        logits: Tensor = self.layers(pictures)
        return logits.flatten()


class ProjectionDiscriminator(nn.Module):
    """Miyato & Koyama 2018: logit = w.phi(x) + e(y).phi(x): the class weights the features.

    There is no BatchNorm, because gradient penalties need logits that depend on one picture only.
    The first layer has stride 2, because convolutions at full resolution cost most and help least.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert isinstance(config.architecture, GanModel)
        channels, height, width = config.picture
        grid = pyramid(height, width)
        width = config.architecture.width
        widths = [channels, *grid.channels(width)[::-1]]
        norm = spectral_norm if config.architecture.spectral_norm else _identity
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(_SLOPE, inplace=True)]
        last = min(2 * widths[-1], 8 * width)
        layers += [norm(nn.Conv2d(widths[-1], last, 3, 2, 1)), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.layers = nn.Sequential(*layers)
        features = last * (-(-grid.base_height // 2)) * (-(-grid.base_width // 2))
        self.judge = norm(nn.Linear(features, 1))
        self.embed: nn.Module | None = None
        if config.conditional:
            embed = nn.Embedding(len(config.labels), features)
            nn.init.normal_(embed.weight, 0.0, features**-0.5)
            self.embed = norm(embed)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, C, H, W) in [-1, 1], int64 (B,) if conditional -> logits float (B,)."""
        features = self.layers(pictures).flatten(1)
        logits: Tensor = self.judge(features)[:, 0]
        if self.embed is not None and label is not None:
            logits = logits + (self.embed(label) * features).sum(dim=1)
        return logits


def _identity(module: nn.Module) -> nn.Module:
    return module


def _initialise_dcgan(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, _INIT_STD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _INIT_STD)
        nn.init.zeros_(module.bias)
