from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.networks import PriorSampler, build_sampler, load_sampler
from aigc.families.networks.inference import for_inference
from aigc.families.networks.prior import MixturePrior
from aigc.families.networks.sampling import PriorInference
from aigc.families.vae import VaeModel
from tests.models_for_tests import random_prior

CLASSES, DIM = 3, 6


def prior_of(seed: int = 0) -> MixturePrior:
    return random_prior(CLASSES, DIM, torch.Generator().manual_seed(seed))


def noise(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.randn(count, DIM, generator=torch.Generator().manual_seed(1))
    return drawn, torch.arange(count) % CLASSES


def config_of(labels: tuple[str, ...] = ("a", "b", "c")) -> ModelConfig:
    model = VaeModel(latent_dim=DIM, width=8)
    return ModelConfig(architecture=model, height=16, width=16, channels=3, labels=labels)


def tensors_of(config: ModelConfig, prior: MixturePrior) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    decoder = build_sampler(config).eval()
    for name, parameter in decoder.named_parameters():
        if parameter.ndim > 1 and "embed" not in name:
            parameter.data.mul_(5)
    modules = {"sampler": decoder, "sampler.prior": prior}
    return {f"{name}.{key}": value for name, module in modules.items()
            for key, value in module.state_dict().items()}  # fmt: skip


def test_noise_becomes_the_mixture() -> None:
    """Each class's first two moments, of 200,000 draws, against the closed form."""
    prior, count = prior_of(), 200_000
    z = torch.randn(count, DIM, generator=torch.Generator().manual_seed(2))
    for at in range(CLASSES):
        latents = prior(z, torch.full((count,), at))
        weight, rows = prior.weight[at], slice(3 * at, 3 * at + 3)
        mean, factor = prior.parts.mean[rows], prior.parts.factor[rows]
        expected = weight @ mean
        second = factor @ factor.transpose(1, 2) + mean[:, :, None] * mean[:, None]
        covariance = (weight[:, None, None] * second).sum(0) - expected.outer(expected)
        assert torch.allclose(latents.mean(0), expected, atol=0.03)
        assert torch.allclose(latents.T.cov(), covariance, atol=0.1)


def test_the_noise_within_a_component_is_standard_normal_whichever_it_is() -> None:
    z = torch.randn(300_000, DIM, generator=torch.Generator().manual_seed(3))
    inner, shares = prior_of().points(z, torch.zeros(len(z), dtype=torch.int64))
    for at, weight in enumerate((0.2, 0.5, 0.3)):
        own = inner[shares[:, at] == 1]
        assert len(own) / len(z) == pytest.approx(weight, abs=0.005)
        assert torch.allclose(own.mean(0), torch.zeros(DIM), atol=0.02)
        assert torch.allclose(own.T.cov(), torch.eye(DIM), atol=0.03)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    prior, (z, label) = prior_of(), noise()
    together = prior(z, label)
    changed = z.clone()
    changed[1:] = -2.0
    assert torch.equal(prior(changed, label)[0], together[0])
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(4))
    assert torch.equal(prior(z[order], label[order]), together[order])
    alone = torch.cat([prior(z[i : i + 1], label[i : i + 1]) for i in range(len(z))])
    assert torch.allclose(alone, together, atol=1e-5)


def test_a_class_has_latents_of_its_own() -> None:
    prior, (z, label) = prior_of(), noise()
    assert not torch.isclose(prior(z, label), prior(z, (label + 1) % CLASSES)).all(1).any()


def test_the_density_is_that_of_the_closed_form() -> None:
    prior, (z, label) = prior_of(), noise()
    each = MultivariateNormal(prior.parts.mean, scale_tril=prior.parts.factor)
    parts = each.log_prob(z[:, None]).view(len(z), CLASSES, 3)
    expected = (parts + prior.weight.log()).logsumexp(2)[torch.arange(len(z)), label]
    assert torch.allclose(prior.log_density(z, label), expected, atol=1e-3)


def test_latents_are_mapped_back_to_points_and_noise_that_give_them() -> None:
    prior, (z, label) = prior_of(), noise()
    far = 5 * z
    assert torch.allclose(prior(*prior.locate(far, label)), far, atol=1e-4)
    near = prior(0.5 * z, label)
    back = prior.inverse(near, label)
    assert torch.allclose(prior(back, label), near, atol=1e-3)
    assert prior.inverse(100 * z, label).isfinite().all()
    single = MixturePrior(1, DIM, 1)
    assert torch.allclose(single.inverse(single(z), None), z, atol=1e-4)


@pytest.mark.parametrize("extreme", [-9.0, -6.0, 6.0, 9.0, 1e30])
def test_extreme_noise_gives_numbers(extreme: float) -> None:
    z = torch.zeros(3, DIM)
    z[:, 0] = extreme
    assert prior_of()(z, torch.arange(3)).isfinite().all()


def test_points_give_the_same_latents_to_the_last_bit() -> None:
    prior, (z, label) = prior_of(), noise()
    assert torch.equal(prior(*prior.points(z, label)), prior(z, label))


@pytest.mark.parametrize("labels", [("a", "b", "c"), ()])
def test_the_inference_form_is_the_same_function(labels: tuple[str, ...]) -> None:
    config = config_of(labels)
    prior = random_prior(max(1, len(labels)), DIM, torch.Generator().manual_seed(5))
    sampler = load_sampler(config, tensors_of(config, prior))
    assert isinstance(sampler, PriorSampler)
    z, label = noise()
    known = label if labels else None
    expected = sampler(z, known)
    fast = for_inference(sampler, torch.float32)
    assert torch.allclose(fast(z, known), expected, atol=1e-4)
    assert not torch.allclose(sampler.decoder(z, known), expected, atol=0.01)
    assert isinstance(fast, PriorInference)
    assert torch.equal(fast(*fast.points(z, known)), fast(z, known))
    half = for_inference(sampler, torch.bfloat16)
    assert {buffer.dtype for buffer in half.prior.buffers()} == {torch.float32}
    assert (half(z, known) - expected).abs().mean() * 127.5 < 1


def test_a_prior_that_does_not_fit_is_one_line() -> None:
    config = config_of()
    tensors = tensors_of(config, prior_of())
    for name, wrong in [("weight", torch.ones(3)), ("parts.mean", torch.ones(2, 2))]:
        with pytest.raises(StoreError, match=r"prior's weights do not fit config\.json") as caught:
            load_sampler(config, tensors | {f"sampler.prior.{name}": wrong})
        assert "\n" not in str(caught.value)
    del tensors["sampler.prior.weight"]
    with pytest.raises(StoreError, match="prior's weights do not fit"):
        load_sampler(config, tensors)


def test_without_a_prior_noise_is_decoded_as_it_is() -> None:
    config = config_of()
    tensors = tensors_of(config, prior_of())
    plain = {name: value for name, value in tensors.items() if ".prior." not in name}
    assert not isinstance(load_sampler(config, plain), PriorSampler)
