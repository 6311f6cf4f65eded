from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aigc.errors import DataError
from aigc.modalities.image.features import inception_v3
from aigc.modalities.image.inception import InceptionV3, load_inception


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(InceptionV3().state_dict(), path)
    return path


def test_it_has_the_published_size() -> None:
    """torchvision documents 27,161,264 parameters."""
    network = InceptionV3()
    assert sum(parameter.numel() for parameter in network.parameters()) == 27_161_264
    names = network.state_dict()
    assert names["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    assert names["AuxLogits.conv1.bn.running_var"].shape == (768,)


def test_weights_load_strictly_and_give_2048_features(weights: Path) -> None:
    extractor = inception_v3(str(weights))
    assert extractor.name == "inception-v3-torchvision@299"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    assert extractor(pixels).shape == (2, 2048)


def test_the_fid_port_is_known_by_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "fid.pth"
    torch.save(InceptionV3(ported=True).state_dict(), path)
    network, name = load_inception(str(path))
    assert name == "inception-v3-fid@299"
    assert network.Mixed_7c.max_pool
    assert not network.Mixed_7b.max_pool


def test_wrong_files_are_one_clear_line(weights: Path, tmp_path: Path) -> None:
    text, other, partial = tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.pth"
    text.write_text("no weights")
    torch.save({"weight": torch.zeros(1)}, other)
    state = torch.load(weights, weights_only=True)
    del state["Mixed_5b.branch1x1.conv.weight"]
    torch.save(state, partial)
    expected = {
        tmp_path / "none.pth": "no such file",
        text: "not a PyTorch file",
        other: "no fc.weight",
        partial: "Mixed_5b.branch1x1.conv.weight",
    }
    for path, reason in expected.items():
        with pytest.raises(DataError, match=reason) as caught:
            load_inception(str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
