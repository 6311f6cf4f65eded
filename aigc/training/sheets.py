"""The sheet of samples that shows, again and again from the same latents, how training goes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc.families.config import ModelConfig
from aigc.modalities.image import contact_sheet
from aigc.training.step_random import StepRandom

_COLUMNS = 10
_MAX_ROWS = 12


class SampleSheet:
    """Ten items of each class (of the first twelve that were trained) in a row, or eight rows
    of any."""

    def __init__(self, config: ModelConfig, seed: int, device: torch.device) -> None:
        self._learning = config.learning
        self._captions = config.usual[:_MAX_ROWS] if config.conditional else None
        rows = len(self._captions) if self._captions else 8
        draws = StepRandom(seed, step=0, device=str(device))
        self._z = draws.normal("sheet", rows * _COLUMNS, config.latent_dim or 0)
        self._label: Tensor | None = None
        if self._captions:
            shown = torch.tensor([config.labels.index(name) for name in self._captions])
            self._label = shown.to(device).repeat_interleave(_COLUMNS)

    @torch.no_grad()
    def png(self, sampler: nn.Module) -> bytes:
        """The sheet as drawn by `sampler`, which must be in eval mode."""
        shown = self._learning.shown(sampler(self._z, self._label))
        return contact_sheet(shown, _COLUMNS, self._captions)
