"""A softmax regression on features: enough to say which class a sample looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from aigc.modalities.learning import Features
from aigc.types import Labels

_DECAY = 3e-2
_STEPS = 30


@dataclass(frozen=True)
class Classifier:
    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def predict(self, features: Features) -> Labels:
        """int64 (N,) most likely class of each row."""
        x = (torch.from_numpy(features) - self.mean) / self.scale
        predicted: Labels = (x @ self.weight + self.bias).argmax(1).numpy()
        return predicted

    def accuracy(self, features: Features, labels: Labels) -> float:
        return float((self.predict(features) == labels).mean())


def fit(features: Features, labels: Labels, classes: int) -> Classifier:
    """Cross-entropy with weight decay on standardised features, by L-BFGS; deterministic."""
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    mean, scale = x.mean(0), x.std(0).clamp(min=1e-6)
    x = (x - mean) / scale
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ weight + bias, y) + _DECAY * weight.square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Classifier(mean, scale, weight.detach(), bias.detach())


def shares(labels: Labels, classes: int) -> npt.NDArray[np.float64]:
    """(classes,) share of each class, summing to 1."""
    return np.bincount(labels, minlength=classes) / max(len(labels), 1)


def entropy_bits(share: npt.NDArray[np.float64]) -> float:
    positive = share[share > 0]
    return float(-(positive * np.log2(positive)).sum()) + 0.0
