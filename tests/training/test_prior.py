from __future__ import annotations

import pytest
import torch

from aigc.data.dataset import open_dataset
from aigc.families.networks.encoder import ConvEncoder
from aigc.training import prior as training_prior
from aigc.training.encodings import Encodings, encode
from aigc.training.prior import fit_mixture, moments
from aigc.training.runs import model_config
from tests.training.helpers import tiny_spec

DIM = 4


def two_clusters(count: int = 1500, apart: float = 6.0, classes: int = 2) -> Encodings:
    """Of each class a heavy cluster about -apart and a light one about apart, 7 to 3; the classes
    differ in the second coordinate."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(count) % classes
    side = (torch.rand(count, generator=generator) < 0.3).float() * 2 - 1
    mean = 0.5 * torch.randn(count, DIM, generator=generator)
    mean[:, 0] += apart * side
    mean[:, 1] += 10.0 * label
    return Encodings(mean, torch.full((count, DIM), 0.2), label, classes)


def test_the_moments_are_those_of_the_aggregate_posterior() -> None:
    encodings = two_clusters(40_000)
    latents = encodings.sample(torch.Generator().manual_seed(1))
    found = moments(encodings)
    for at in range(2):
        own = latents[encodings.label == at]
        assert torch.allclose(found.mean[at], own.mean(0), atol=0.02)
        assert torch.allclose(found.covariance[at], own.T.cov(), atol=0.05)


def test_a_covariance_of_few_pictures_is_drawn_towards_that_of_all() -> None:
    many = two_clusters(2000, classes=1)
    label = torch.cat([torch.zeros(2000), torch.tensor([1, 1, 3])]).long()
    mean = torch.cat([many.mean, torch.randn(3, DIM)])
    found = moments(Encodings(mean, torch.full_like(mean, 0.2), label, 5))
    assert torch.linalg.cholesky(found.covariance).isfinite().all()
    assert found.covariance[3, 0, 0] > 0.4 * found.covariance[0, 0, 0]
    assert torch.equal(found.mean[4], mean.mean(0))


def test_a_known_mixture_is_found_again() -> None:
    encodings = two_clusters()
    prior = fit_mixture(encodings, seed=0)
    assert 2 <= prior.weight.shape[1] <= 4
    latents = prior(torch.randn(20_000, DIM, generator=torch.Generator().manual_seed(2)),
                    torch.arange(20_000) % 2)  # fmt: skip
    assert (latents[:, 0] > 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert (latents[:, 0].abs() < 3).float().mean() < 0.01
    assert latents[1::2, 1].mean().item() == pytest.approx(10, abs=0.2)
    check = two_clusters(400).sample(torch.Generator().manual_seed(3))
    label = torch.arange(400) % 2
    one = fit_mixture(encodings, seed=0, most=1)
    assert prior.log_density(check, label).mean() > one.log_density(check, label).mean() + 0.5


def test_one_gaussian_needs_one_component() -> None:
    assert fit_mixture(two_clusters(2000, apart=0.0), seed=0).weight.shape[1] == 1


def test_many_classes_get_fewer_components(monkeypatch: pytest.MonkeyPatch) -> None:
    encodings = two_clusters()
    assert fit_mixture(encodings, seed=0).weight.shape[1] > 1
    monkeypatch.setattr(training_prior, "_MOST_BYTES", 4 * DIM**2 * 2)
    assert fit_mixture(encodings, seed=0).weight.shape[1] == 1


def test_the_heaviest_components_survive_truncation() -> None:
    prior = fit_mixture(two_clusters(3000), seed=0)
    weight = prior.weight[0]
    middle = int((weight.cumsum(0) < 0.5).sum())
    assert weight[middle] == weight.max()


def test_the_fit_follows_from_encodings_and_seed_and_leaves_training_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other = (fit_mixture(two_clusters(), seed=7) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("count", [1, 2, 3, 25])
def test_few_pictures_will_do(count: int) -> None:
    prior = fit_mixture(two_clusters(count, classes=3), seed=0)
    z = torch.randn(9, DIM)
    assert prior(z, torch.arange(9) % 3).isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_encodings_of_a_diverged_run_are_noticed(value: float) -> None:
    encodings = two_clusters(30)
    assert encodings.finite
    encodings.mean[3, 1] = value
    assert not encodings.finite


def test_pictures_are_encoded_up_to_a_limit(digits_data: str) -> None:
    dataset = open_dataset(digits_data)
    model = {"family": "vae", "latent_dim": DIM, "width": 8}
    config = model_config(tiny_spec(digits_data, "out", model=model), dataset)
    encoder = ConvEncoder(config).eval()
    found = encode(encoder, dataset, len(config.labels), 300, seed=1)
    assert found.mean.shape == found.deviation.shape == (300, DIM)
    assert (found.deviation > 0).all()
    assert set(found.label.tolist()) == set(range(10))
    again = encode(encoder, dataset, len(config.labels), 300, seed=1)
    assert torch.equal(found.mean, again.mean)
    plain = encode(encoder, dataset, 0, 50, seed=1)
    assert plain.classes == 1
    assert not plain.label.any()
