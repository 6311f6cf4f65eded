"""An exponential moving average of weights: smoother, and better, than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

_RAMP = 0.05
"""The half-life is at most this share of the images seen, so early weights are soon forgotten
(Karras et al. 2020)."""


class Ema:
    """Averages of the published modules, in eval mode, ready to use.

    BatchNorm's running mean and variance are averaged with the weights they belong to: copying the
    latest would pair statistics with weights that never produced them.
    """

    def __init__(self, modules: dict[str, nn.Module], half_life_images: int) -> None:
        self._live = modules
        self._half_life_images = half_life_images
        self.modules = {
            name: copy.deepcopy(module).eval().requires_grad_(False)
            for name, module in modules.items()
        }

    @torch.no_grad()
    def update(self, images_seen: int, batch_images: int) -> None:
        """Move towards the live weights after a step on `batch_images`, `images_seen` in all."""
        half_life = min(self._half_life_images, _RAMP * images_seen)
        keep = 0.5 ** (batch_images / half_life) if half_life > 0 else 0.0
        averages: list[Tensor] = []
        latest: list[Tensor] = []
        for name, average in self.modules.items():
            for value, live in zip(_tensors(average), _tensors(self._live[name]), strict=True):
                if value.is_floating_point():
                    averages.append(value)
                    latest.append(live)
                else:
                    value.copy_(live)
        torch._foreach_lerp_(averages, latest, 1 - keep)

    def tensors(self) -> dict[str, Tensor]:
        """`NAME.key` to tensor, contiguous and on the CPU: what a model folder holds."""
        return named_tensors(self.modules)


def _tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers; `state_dict` takes longer than the average itself."""
    return [*module.parameters(), *module.buffers()]


def named_tensors(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    """`NAME.key` to a copy of the tensor, contiguous and on the CPU."""
    return {
        f"{name}.{key}": value.detach().cpu().contiguous().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def loaded(modules: dict[str, nn.Module], tensors: dict[str, Tensor]) -> dict[str, nn.Module]:
    """Copies of `modules` with `tensors` as `named_tensors` names them; others are ignored."""
    copies = copy.deepcopy(modules)
    for name, module in copies.items():
        module.load_state_dict({key: tensors[f"{name}.{key}"] for key in module.state_dict()})
    return copies
