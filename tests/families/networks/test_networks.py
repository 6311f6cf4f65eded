from __future__ import annotations

import pytest
import torch

from aigc.errors import SpecError, StoreError
from aigc.families.gan import GanModel
from aigc.families.networks import (
    DISCRIMINATORS,
    ModelConfig,
    build_discriminator,
    build_encoder,
    build_sampler,
    load_discriminator,
    load_encoder,
    load_sampler,
)
from aigc.families.networks.shapes import pyramid
from aigc.families.vae import VaeModel

SIZES = [(8, 1), (16, 3), (28, 1), (32, 3), (64, 3), (128, 3)]


def config_of(size: int = 16, channels: int = 1, **changes: object) -> ModelConfig:
    model = GanModel(latent_dim=8, width=8, **changes)
    return ModelConfig(
        architecture=model, height=size, width=size, channels=channels, labels=("a", "b", "c")
    )


def inputs(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 8, generator=generator), torch.arange(count) % 3


@pytest.mark.parametrize(("size", "channels"), SIZES)
@pytest.mark.parametrize("discriminator", sorted(DISCRIMINATORS))
def test_every_size_fits_the_spec(size: int, channels: int, discriminator: str) -> None:
    no_penalty = {"discriminator": discriminator, "r1_gamma": 0, "r2_gamma": 0}
    config = config_of(size, channels, **no_penalty)
    z, label = inputs()
    pictures = build_sampler(config)(z, label)
    assert pictures.shape == (6, channels, size, size)
    assert pictures.abs().max() <= 1
    assert DISCRIMINATORS[discriminator](config)(pictures, label).shape == (6,)


@pytest.mark.parametrize(
    ("size", "base", "doublings"), [(28, 7, 2), (32, 4, 3), (48, 6, 3), (128, 4, 5)]
)
def test_the_pyramid_starts_between_4_and_7(size: int, base: int, doublings: int) -> None:
    grid = pyramid(size, size)
    assert (grid.base_height, grid.base_width, grid.doublings) == (base, base, doublings)
    assert len(grid.channels(64)) == doublings


def test_a_picture_may_be_wider_than_high() -> None:
    assert pyramid(32, 64).base_width == 8


@pytest.mark.parametrize(("size", "nearest"), [(30, 32), (100, 96), (7, 8)])
def test_an_impossible_size_names_the_nearest(size: int, nearest: int) -> None:
    with pytest.raises(SpecError, match=f"nearest is {nearest} x {nearest}"):
        pyramid(size, size)


def test_in_eval_mode_a_picture_does_not_depend_on_its_batch() -> None:
    sampler = build_sampler(config_of())
    z, label = inputs()
    sampler(z, label)
    sampler.eval()
    together = sampler(z, label)
    changed = z.clone()
    changed[1:] = 5.0
    assert torch.equal(sampler(changed, label)[0], together[0])
    alone = torch.cat([sampler(z[i : i + 1], label[i : i + 1]) for i in range(len(z))])
    assert torch.allclose(alone, together, atol=1e-5)


def test_the_class_changes_the_picture_and_the_verdict() -> None:
    config = config_of()
    z, label = inputs()
    sampler, judge = build_sampler(config).eval(), DISCRIMINATORS["projection"](config)
    assert not torch.allclose(sampler(z, label), sampler(z, (label + 1) % 3))
    pictures = torch.randn(6, 1, 16, 16)
    assert not torch.allclose(judge(pictures, label), judge(pictures, (label + 1) % 3))


def test_unconditional_networks_take_no_label() -> None:
    config = config_of(conditional=False)
    z, _ = inputs()
    assert not config.conditional
    assert build_sampler(config)(z, None).shape == (6, 1, 16, 16)
    with pytest.raises(ValueError, match="needs a label"):
        build_sampler(config_of())(z, None)


def test_spectral_norm_bounds_each_layer() -> None:
    judge = DISCRIMINATORS["projection"](config_of(spectral_norm=True))
    for _ in range(30):
        judge(torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.long))
    judge.eval()
    weight = judge.judge.weight
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)


def test_published_tensors_load_again_and_wrong_ones_are_named() -> None:
    config = config_of()
    sampler = build_sampler(config).eval()
    tensors = {f"sampler.{key}": value for key, value in sampler.state_dict().items()}
    z, label = inputs()
    assert torch.equal(load_sampler(config, tensors)(z, label), sampler(z, label))
    tensors.popitem()
    with pytest.raises(StoreError, match=r"do not fit config\.json"):
        load_sampler(config, tensors)


@pytest.mark.parametrize("networks", ["dcgan", "residual"])
def test_the_encoder_gives_a_finite_posterior(networks: str) -> None:
    architecture = VaeModel(latent_dim=5, width=8, networks=networks)
    config = ModelConfig(
        architecture=architecture, height=16, width=16, channels=3, labels=("a", "b")
    )
    encoder = build_encoder(config).eval()
    pictures, label = 1e6 * torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 0, 1])
    mean, log_variance = encoder(pictures, label)
    assert mean.shape == log_variance.shape == (4, 5)
    assert log_variance.exp().isfinite().all()
    alone = encoder(pictures[:1], label[:1])[0]
    assert torch.allclose(alone, mean[:1], rtol=1e-4)
    tensors = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    loaded = load_encoder(config, tensors)
    assert torch.equal(loaded(pictures, label)[0], mean)
    assert not loaded.training


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (64, 96)])
def test_a_residual_vae_makes_every_size_its_encoder_reads(size: tuple[int, int]) -> None:
    architecture = VaeModel(latent_dim=5, width=8, networks="residual")
    config = ModelConfig(architecture=architecture, height=size[0], width=size[1], channels=3)
    pictures = build_sampler(config)(torch.randn(2, 5))
    assert pictures.shape == (2, 3, *size)
    assert build_encoder(config)(pictures)[0].shape == (2, 5)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_published_discriminator_judges_as_it_did(spectral_norm: bool) -> None:
    config = config_of(spectral_norm=spectral_norm)
    judge = build_discriminator(config).eval()
    tensors = {f"discriminator.{key}": value for key, value in judge.state_dict().items()}
    loaded = load_discriminator(config, tensors)
    pictures, label = torch.randn(6, 1, 16, 16), torch.arange(6) % 3
    assert torch.equal(loaded(pictures, label), judge(pictures, label))
    assert not loaded.training
