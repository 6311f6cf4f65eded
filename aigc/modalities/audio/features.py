"""Features of sounds: what a small classifier, trained on the same data, sees in a spectrogram.

There is no network for sounds whose weights may be passed on and that loads offline, so distances
are taken in what tells the classes of the data apart. They compare models of one data set, not of
two. Without classes the features are the spectrogram itself, averaged to 8 x 8 fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aigc.modalities.learning import Features, Seen, Weights, default_device
from aigc.types import Labels

_GRID = 64
_FIELDS = 8
_WIDTHS = (24, 48, 64, 64)
_GROUPS = 4
_BATCH, _RATE, _DECAY = 32, 4e-3, 1e-2
_EPOCHS, _LEAST_STEPS, _MOST_STEPS = 30, 100, 600
_SMOOTHING, _DROPPED = 0.05, 0.2
_QUIETER, _LATER = 0.3, 1 / 16
"""While it learns: lower by up to 12 dB, later by up to so much of the clip."""
_AT_ONCE = 64
_SEED = 0


class SoundClassifier(nn.Module):
    """Pictures (N, C, 64, 64) to logits; the features are averages before the last layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((channels, *_WIDTHS), _WIDTHS, strict=False):
            layers += [*_normal(nn.Conv2d(before, after, 3, 2, 1, bias=False))]
            layers += [*_normal(nn.Conv2d(after, after, 3, 1, 1, groups=_GROUPS, bias=False))]
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Linear(_WIDTHS[-1], classes)

    def features(self, pictures: Tensor) -> Tensor:
        """float32 (N, 64)."""
        maps: Tensor = self.layers(pictures)
        return maps.mean((2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        seen = F.dropout(self.features(pictures), _DROPPED, self.training)
        logits: Tensor = self.judge(seen)
        return logits


def learnt(pictures: Iterable[Tensor], labels: Labels, classes: int) -> Weights:
    """The classifier's weights, and the mean and deviation of its features of these pictures
    (N, C, H, W), given in parts; the same ones for the same data."""
    grids = torch.cat([_grid(part) for part in pictures])
    weights: dict[str, npt.NDArray[np.float32]] = {}
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(_SEED)
        if classes > 1:
            network = _trained(grids, torch.from_numpy(labels), classes)
            state = network.state_dict()
            weights = {f"network.{name}": _array(value) for name, value in state.items()}
    features = _features(_loaded(weights), grids)
    deviation = features.std(0).clamp_min(1e-3 * float(features.std().clamp_min(1e-6)))
    return weights | {"mean": _array(features.mean(0)), "deviation": _array(deviation)}


class SoundExtractor:
    """Features scaled to mean 0 and deviation 1 over the training clips."""

    def __init__(
        self,
        weights: Weights,
        pictures: Callable[[npt.NDArray[np.int16]], Tensor],
        device: str | None,
    ) -> None:
        """`weights` as `learnt` returns them; `pictures` draws stored items."""
        self._device, self._pictures = default_device() if device is None else device, pictures
        network = _loaded(weights)
        self._network = network.to(self._device) if network else None
        self._mean, self._deviation = (
            torch.from_numpy(np.asarray(weights[name])) for name in ("mean", "deviation")
        )
        digest = hashlib.sha256()
        for name in sorted(weights):
            digest.update(np.ascontiguousarray(weights[name]).tobytes())
        kind = "spectrogram-classifier" if network else "spectrogram-averages"
        self.name = f"{kind}-{digest.hexdigest()[:8]}"

    def __call__(self, items: npt.NDArray[np.int16], seen: Seen | None = None) -> Features:
        """int16 (N, T, C) to float32 (N, 64)."""
        parts = []
        for start in range(0, len(items), _AT_ONCE):
            batch = np.ascontiguousarray(items[start : start + _AT_ONCE])
            parts.append(self.of_pictures(self._pictures(batch)))
            if seen is not None:
                seen(len(batch))
        return np.concatenate(parts)

    def of_pictures(self, pictures: Tensor) -> Features:
        """float (N, C, H, W) in [-1, 1] to float32 (N, 64)."""
        grids = _grid(pictures.float().clamp(-1, 1)).to(self._device)
        plain = _features(self._network, grids).cpu()
        features: Features = ((plain - self._mean) / self._deviation).numpy()
        return features


def _trained(grids: Tensor, labels: Tensor, classes: int) -> SoundClassifier:
    """By AdamW; rare classes weigh more, by the root of how rare they are."""
    network = SoundClassifier(grids.shape[1], classes)
    counts = torch.bincount(labels, minlength=classes).clamp_min(1).float()
    weight = (counts.mean() / counts).sqrt()
    steps = min(max(_EPOCHS * len(grids) // _BATCH, _LEAST_STEPS), _MOST_STEPS)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(grids), (min(_BATCH, len(grids)),))
        logits = network(_changed(grids[rows]))
        loss = F.cross_entropy(logits, labels[rows], weight, label_smoothing=_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network


def _changed(grids: Tensor) -> Tensor:
    """A little later, all by as much, and each quieter."""
    columns = int(torch.randint(0, int(_GRID * _LATER) + 1, ()))
    later = F.pad(grids, (columns, 0), value=-1)[..., :_GRID]
    return (later - _QUIETER * torch.rand(len(grids), 1, 1, 1)).clamp_min(-1)


@torch.no_grad()
def _features(network: SoundClassifier | None, grids: Tensor) -> Tensor:
    if network is None:
        return F.adaptive_avg_pool2d(grids, _FIELDS).flatten(1)
    parts = [network.features(rows) for rows in torch.split(grids, _AT_ONCE)]
    return torch.cat(parts)


def _loaded(weights: Weights) -> SoundClassifier | None:
    """None where there are only the scales."""
    prefix = "network."
    state = {
        name.removeprefix(prefix): torch.from_numpy(np.asarray(value))
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    if not state:
        return None
    with torch.random.fork_rng(devices=[]):  # which initial weights would be drawn from
        network = SoundClassifier(state["layers.0.weight"].shape[1], len(state["judge.bias"]))
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _grid(pictures: Tensor) -> Tensor:
    """(N, C, H, W) as (N, C, 64, 64)."""
    if pictures.shape[-2:] == (_GRID, _GRID):
        return pictures.contiguous()
    size = (_GRID, _GRID)
    return F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)


def _normal(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.detach().cpu().numpy()
    return array
