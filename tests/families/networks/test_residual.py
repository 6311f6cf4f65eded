from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks import build_discriminator, build_sampler
from aigc.families.networks.inference import for_inference
from aigc.families.networks.residual import Downsample, ResidualBlock, Upsample

SIZES = [(8, 8, 1), (28, 28, 1), (32, 48, 3), (40, 40, 3), (64, 64, 3)]


def config_of(height: int, width: int, channels: int, /, **changes: Any) -> ModelConfig:
    model = GanModel(
        generator="residual",
        discriminator="residual",
        **{"latent_dim": 8, "width": 16, **changes},
    )
    return ModelConfig(
        architecture=model, height=height, width=width, channels=channels, labels=("a", "b", "c")
    )


def inputs(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 8, generator=generator), torch.arange(count) % 3


def shaken(network: nn.Module) -> nn.Module:
    """With random weights where the initial ones are zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return network


@pytest.mark.parametrize(("height", "width", "channels"), SIZES)
def test_pictures_have_the_asked_size_and_a_logit_each(height, width, channels) -> None:
    config = config_of(height, width, channels, blocks=2)
    z, label = inputs()
    pictures = build_sampler(config)(z, label)
    assert pictures.shape == (6, channels, height, width)
    assert build_discriminator(config)(pictures, label).shape == (6,)


def test_in_eval_mode_pictures_are_clamped_and_independent_of_their_batch() -> None:
    sampler = shaken(build_sampler(config_of(16, 16, 3)))
    z, label = inputs()
    assert sampler(20 * z, label).abs().max() > 1
    sampler.eval()
    together = sampler(20 * z, label)
    assert together.abs().max() == 1
    alone = torch.cat([sampler(20 * z[i : i + 1], label[i : i + 1]) for i in range(len(z))])
    assert torch.allclose(alone, together, atol=1e-4)


def test_the_class_changes_the_picture_and_the_logit() -> None:
    config = config_of(16, 16, 1)
    sampler, judge = shaken(build_sampler(config)), shaken(build_discriminator(config))
    z = inputs()[0][:1].expand(3, -1)
    pictures = sampler(z, torch.arange(3))
    assert not torch.allclose(pictures[0], pictures[1])
    logits = judge(pictures[:1].expand(3, -1, -1, -1), torch.arange(3))
    assert len(set(logits.tolist())) == 3


def test_the_inference_form_is_the_same_function() -> None:
    sampler = shaken(build_sampler(config_of(32, 32, 3))).eval()
    z, label = inputs()
    expected = sampler(z, label)
    assert torch.allclose(for_inference(sampler, torch.float32)(z, label), expected, atol=1e-5)
    close = for_inference(sampler, torch.bfloat16)(z, label)
    assert close.dtype == torch.float32
    assert (close - expected).abs().mean() * 127.5 < 2
    exact: Any = for_inference(sampler, torch.float32)
    assert torch.allclose(exact(z, exact.embeddings(label)), expected, atol=1e-5)


@pytest.mark.parametrize(("side", "sizes"), [(32, [32, 16, 8, 4]), (64, [32, 16, 8, 4])])
def test_discriminators_have_blocks_at_full_size_up_to_32_pixels(side, sizes) -> None:
    judge, seen = build_discriminator(config_of(side, side, 3)), list[int]()
    for layer in judge.modules():
        if isinstance(layer, ResidualBlock):
            layer.register_forward_hook(lambda _layer, _inputs, made: seen.append(made.shape[-1]))
    judge(torch.zeros(1, 3, side, side), torch.zeros(1, dtype=torch.int64))
    assert seen == sizes


@pytest.mark.parametrize(("side", "channels"), [(32, 32), (64, 16)])
def test_samplers_have_half_of_the_width_at_full_size_up_to_32_pixels(side, channels) -> None:
    sampler = build_sampler(config_of(side, side, 3, width=64))
    last = [layer for layer in sampler.modules() if isinstance(layer, ResidualBlock)][-1]
    assert last.reduce.out_channels == channels


def test_resampling_keeps_a_flat_picture_and_removes_a_checkerboard() -> None:
    flat = torch.full((1, 4, 8, 8), 0.7)
    assert torch.allclose(Upsample()(flat), torch.full((1, 4, 16, 16), 0.7))
    inner = Downsample(4)(flat)[:, :, 1:-1, 1:-1]
    assert torch.allclose(inner, torch.full_like(inner, 0.7))
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    shrunk = Downsample(1)(board[None, None])
    assert shrunk[:, :, 1:-1, 1:-1].abs().max() < 1e-6
