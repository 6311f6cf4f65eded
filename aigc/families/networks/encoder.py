"""The VAE's recognition networks q(z | x, y)."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aigc.families.config import ModelConfig
from aigc.families.networks.residual import SLOPE, ResidualTrunk, initialise
from aigc.families.networks.settings import settings_of
from aigc.families.networks.shapes import pyramid

_LOG_VARIANCE_RANGE = (-12.0, 8.0)
_FIRST_LOG_VARIANCE = -2.0
"""Small, so that the latents of different pictures differ from the first step on."""


class ConvEncoder(nn.Module):
    """Pictures, and a class if conditional, to a diagonal Gaussian (Kingma & Welling 2014).

    The class adds a bias to the last features; log-variances are clamped.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, height, width = config.picture
        grid = pyramid(height, width)
        widths = [channels, *grid.channels(settings_of(config).width)[::-1]]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        features = widths[-1] * grid.base_height * grid.base_width
        self.posterior = nn.Linear(features, 2 * settings_of(config).latent_dim)
        self.embed = None
        if config.conditional:
            self.embed = nn.Embedding(len(config.labels), 2 * settings_of(config).latent_dim)
            nn.init.zeros_(self.embed.weight)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """float (B, C, H, W) in [-1, 1] -> mean and log-variance, float (B, latent_dim) each."""
        features = self.posterior(self.layers(pictures).flatten(1))
        if self.embed is not None and label is not None:
            features = features + self.embed(label)
        mean, log_variance = features.float().chunk(2, dim=1)
        return mean, torch.clamp(log_variance, *_LOG_VARIANCE_RANGE)


class ResidualEncoder(ResidualTrunk):
    """Pictures, and a class if conditional, to a diagonal Gaussian (Kingma & Welling 2014).

    The class adds a bias to the features; log-variances are clamped.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        features, latent_dim = 2 * self.coarsest, settings_of(config).latent_dim
        self.features = initialise(nn.Linear(self.outputs, features))
        self.posterior = initialise(nn.Linear(features, 2 * latent_dim), 0.5)
        with torch.no_grad():
            self.posterior.weight[latent_dim:].mul_(0.1)
            self.posterior.bias[latent_dim:].fill_(_FIRST_LOG_VARIANCE)
        self.embed = None
        if config.conditional:
            self.embed = nn.Embedding(len(config.labels), features)
            nn.init.zeros_(self.embed.weight)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """float (B, C, H, W) in [-1, 1] -> mean and log-variance, float (B, latent_dim) each."""
        features = self.features(self.coarse(pictures))
        if self.embed is not None and label is not None:
            features = features + self.embed(label)
        posterior = self.posterior(F.leaky_relu(features, SLOPE))
        mean, log_variance = posterior.float().chunk(2, dim=1)
        return mean, torch.clamp(log_variance, *_LOG_VARIANCE_RANGE)
