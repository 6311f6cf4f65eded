"""Inception-v3 (Szegedy et al. 2015, "Rethinking the Inception architecture") up to its pooled
features, with torchvision's parameter names, for weights the user has on disk.

Two published files fit: torchvision's own (1,000 classes, auxiliary head) and the port of the
TensorFlow graph that FID was defined on (1,008 classes, no auxiliary head), whose pooling branches
differ a little; which one a file is shows in its classifier.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aigc.errors import DataError


class BasicConv2d(nn.Module):
    """Convolution without bias, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Any, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Mixed(nn.Module):
    """A block of parallel branches; `ported` follows the TensorFlow graph in its pooling."""

    def __init__(self, ported: bool) -> None:
        super().__init__()
        self.ported = ported

    def average(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=not self.ported)


class InceptionA(_Mixed):
    def __init__(self, inputs: int, pool: int, ported: bool) -> None:
        super().__init__(ported)
        self.branch1x1 = BasicConv2d(inputs, 64, 1)
        self.branch5x5_1 = BasicConv2d(inputs, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(inputs, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        pooled = self.branch_pool(self.average(x))
        return torch.cat([self.branch1x1(x), five, double, pooled], 1)


class InceptionB(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(_Mixed):
    def __init__(self, inputs: int, inner: int, ported: bool) -> None:
        super().__init__(ported)
        across: dict[str, Any] = {"kernel": (1, 7), "padding": (0, 3)}
        down: dict[str, Any] = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7_1 = BasicConv2d(inputs, inner, 1)
        self.branch7x7_2 = BasicConv2d(inner, inner, **across)
        self.branch7x7_3 = BasicConv2d(inner, 192, **down)
        self.branch7x7dbl_1 = BasicConv2d(inputs, inner, 1)
        self.branch7x7dbl_2 = BasicConv2d(inner, inner, **down)
        self.branch7x7dbl_3 = BasicConv2d(inner, inner, **across)
        self.branch7x7dbl_4 = BasicConv2d(inner, inner, **down)
        self.branch7x7dbl_5 = BasicConv2d(inner, 192, **across)
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(self.average(x))
        return torch.cat([self.branch1x1(x), seven, double, pooled], 1)


class InceptionD(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7x3_2 = BasicConv2d(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = BasicConv2d(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(_Mixed):
    def __init__(self, inputs: int, ported: bool, max_pool: bool = False) -> None:
        super().__init__(ported)
        self.max_pool = max_pool
        self.branch1x1 = BasicConv2d(inputs, 320, 1)
        self.branch3x3_1 = BasicConv2d(inputs, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(inputs, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.max_pool else self.average(x)
        branches = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        branches += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([*branches, self.branch_pool(pooled)], 1)


class InceptionAux(nn.Module):
    """The auxiliary classifier: only its weights are needed, so that a file loads strictly."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv0 = BasicConv2d(inputs, 128, 1)
        self.conv1 = BasicConv2d(128, 768, 5)
        self.fc = nn.Linear(768, classes)


class InceptionV3(nn.Module):
    """float (B, 3, 299, 299) in [-1, 1] to the 2,048 pooled features, float (B, 2048)."""

    def __init__(self, ported: bool = False) -> None:
        super().__init__()
        classes = 1008 if ported else 1000
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, 32, ported)
        self.Mixed_5c = InceptionA(256, 64, ported)
        self.Mixed_5d = InceptionA(288, 64, ported)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128, ported)
        self.Mixed_6c = InceptionC(768, 160, ported)
        self.Mixed_6d = InceptionC(768, 160, ported)
        self.Mixed_6e = InceptionC(768, 192, ported)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, ported)
        self.Mixed_7c = InceptionE(2048, ported, max_pool=ported)
        if not ported:
            self.AuxLogits = InceptionAux(768, classes)
        self.fc = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor:
        for name, layer in self.named_children():
            if name not in ("AuxLogits", "fc"):
                x = layer(x)
        return x.mean((2, 3))


def load_inception(path: str) -> tuple[InceptionV3, str]:
    """The network with the weights at `path`, and a name that says which they are.

    Raises:
        DataError: no such file, or not Inception-v3 weights in torchvision's format.
    """
    expected = "expected Inception-v3 weights (state dict) in torchvision's format"
    if not Path(path).is_file():
        raise DataError(f"inception_weights {path}: there is no such file; {expected}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, ValueError, OSError):
        raise DataError(f"inception_weights {path}: not a PyTorch file; {expected}") from None
    classifier = state.get("fc.weight") if isinstance(state, dict) else None
    if not isinstance(classifier, Tensor):
        raise DataError(f"inception_weights {path}: it holds no fc.weight; {expected}")
    ported = classifier.shape[0] == 1008
    network = InceptionV3(ported)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"inception_weights {path}: {reason}; {expected}") from None
    network.eval().requires_grad_(False)
    return network, "inception-v3-fid@299" if ported else "inception-v3-torchvision@299"
