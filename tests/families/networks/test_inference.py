from __future__ import annotations

import pytest
import torch
from torch import nn

from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks import build_sampler
from aigc.families.networks.inference import for_inference
from aigc.families.networks.upsampling import Winograd


def make_sampler(
    height: int, channels: int, *, conditional: bool = True, width: int = 8
) -> nn.Module:
    """A sampler whose BatchNorms have seen data."""
    config = ModelConfig(
        architecture=GanModel(width=width, latent_dim=16, conditional=conditional),
        height=height,
        width=height,
        channels=channels,
        labels=("a", "b", "c"),
    )
    generator = torch.Generator().manual_seed(1)
    sampler = build_sampler(config).eval().requires_grad_(False)
    for module in sampler.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5, generator=generator)
            module.running_var.uniform_(0.3, 3, generator=generator)
            module.weight.normal_(1, 0.3, generator=generator)
            module.bias.normal_(0, 0.3, generator=generator)
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear):
            module.weight.mul_(5)
    return sampler


@pytest.mark.parametrize(("height", "channels"), [(16, 1), (28, 1), (64, 3)])
def test_the_inference_form_is_the_same_function(height, channels) -> None:
    sampler = make_sampler(height, channels)
    z, label = torch.randn(12, 16), torch.arange(12) % 3
    expected = sampler(z, label)
    exact = for_inference(sampler, torch.float32)(z, label)
    assert exact.shape == expected.shape
    assert torch.allclose(exact, expected, atol=1e-4)
    close = for_inference(sampler, torch.bfloat16)(z, label)
    assert close.dtype == torch.float32
    assert (close - expected).abs().mean() * 127.5 < 1
    assert expected.std() > 0.05


@pytest.mark.parametrize(("height", "channels", "fast"), [(28, 1, 1), (64, 3, 2)])
def test_wide_layers_in_single_precision_take_winograds_form(height, channels, fast) -> None:
    sampler = make_sampler(height, channels, width=64)
    z, label = torch.randn(12, 16), torch.arange(12) % 3
    exact = for_inference(sampler, torch.float32)
    assert sum(isinstance(layer, Winograd) for layer in exact.layers) == fast
    expected = sampler.double()(z.double(), label)
    assert (exact(z, label) - expected).abs().mean() * 127.5 < 0.01
    assert expected.std() > 0.05
    half = for_inference(sampler, torch.bfloat16)
    assert not any(isinstance(layer, Winograd) for layer in half.layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_no_numbers_show_in_the_pictures(dtype) -> None:
    z, label = torch.randn(12, 16), torch.arange(12) % 3
    for name in make_sampler(28, 1).state_dict():
        sampler = make_sampler(28, 1)
        held = sampler.state_dict()[name]
        if held.is_floating_point():
            held.detach()[(0,) * held.ndim] = torch.nan
            found = for_inference(sampler, dtype)(z, label)
            assert not found.isfinite().all(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_no_numbers_once_folded_show_in_the_pictures(dtype) -> None:
    z, label = torch.randn(12, 16), torch.arange(12) % 3
    for at in (0, 3):
        sampler = make_sampler(28, 1)
        sampler.layers[at].running_var[0] = -1  # type: ignore[index]
        found = for_inference(sampler, dtype)(z, label)
        assert not found.isfinite().all(), at


def test_the_published_sampler_is_left_as_it_was() -> None:
    sampler = make_sampler(16, 1, conditional=False)
    before = {name: value.clone() for name, value in sampler.state_dict().items()}
    for_inference(sampler, torch.bfloat16)
    assert all(torch.equal(value, before[name]) for name, value in sampler.state_dict().items())
