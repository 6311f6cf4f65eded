from __future__ import annotations

import pytest
import torch

from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.networks import PriorSampler, build_sampler, load_sampler
from aigc.families.networks.inference import for_inference
from aigc.families.networks.neighbours import NeighbourPrior
from aigc.families.networks.sampling import PriorInference
from aigc.families.vae import VaeModel
from aigc.training.encodings import Encodings
from aigc.training.neighbours import fit_neighbours

DIM = 6


def encodings(counts: tuple[int, ...] = (40, 10, 1), seed: int = 0) -> Encodings:
    """Classes far apart in the first coordinate."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.cat([torch.full((count,), at) for at, count in enumerate(counts)])
    mean = torch.randn(len(label), DIM, generator=generator)
    mean[:, 0] += 100.0 * label
    return Encodings(mean, torch.full_like(mean, 0.01), label, len(counts))


def noise(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def test_samples_lie_between_two_encodings_of_the_class_and_never_at_one() -> None:
    known = encodings()
    prior = fit_neighbours(known)
    label = torch.arange(600) % 2
    latents = prior(noise(600), label)
    for at in range(2):
        own = known.mean[known.label == at]
        pairs = torch.cdist(own, own)
        for latent in latents[label == at][:100]:
            away = torch.cdist(latent[None], own)[0]
            detours = (away[:, None] + away[None, :] - pairs).fill_diagonal_(1e9)
            assert detours.min() < 0.2
            first, second = divmod(int(detours.argmin()), len(own))
            share = float(away[first] / pairs[first, second])
            assert 0.2 < share < 0.8


def test_every_picture_is_used_and_the_noise_of_the_posterior_is_normal() -> None:
    known = encodings((20,))
    prior = fit_neighbours(known)
    prior.deviation.fill_(1.0)
    prior.mean.zero_()
    latents = prior(noise(20_000))
    assert latents.mean(0).abs().max() < 0.05
    assert (latents.std(0) - 1).abs().max() < 0.05
    assert latents.T.corrcoef().fill_diagonal_(0).abs().max() < 0.05
    prior.deviation.zero_()
    prior.mean.copy_(torch.arange(20.0)[:, None].expand(20, DIM))
    prior.neighbour.copy_(torch.arange(20)[:, None].expand(20, 8))
    picked = torch.bincount(prior(noise(20_000))[:, 0].long(), minlength=20)
    assert picked.min() > 800
    assert picked.max() < 1200


def test_a_picture_alone_in_its_class_is_all_that_is_made_of_it() -> None:
    known = encodings()
    made = fit_neighbours(known)(noise(50), torch.full((50,), 2))
    assert (made - known.mean[-1]).abs().max() < 0.1


def test_a_class_without_pictures_has_those_of_all() -> None:
    known = encodings((30, 0, 5))
    latents = fit_neighbours(known)(noise(500), torch.ones(500, dtype=torch.int64))
    assert latents[:, 0].min() < 5
    assert latents[:, 0].max() > 150


def test_a_truncated_first_coordinate_leaves_the_lonely_out() -> None:
    known = encodings((60,))
    known.mean[::6] *= 8
    prior = fit_neighbours(known)
    z = noise(2_000)
    typical = z.clone()
    typical[:, 0] = typical[:, 0].clamp(-0.4, 0.4)
    assert prior(typical).norm(dim=1).mean() < 0.6 * prior(z).norm(dim=1).mean()


def test_the_rows_do_not_depend_on_each_other() -> None:
    prior, z, label = fit_neighbours(encodings()), noise(64), torch.arange(64) % 3
    together = prior(z, label)
    alone = torch.cat([prior(z[at : at + 1], label[at : at + 1]) for at in range(64)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("extreme", [-40.0, -6.0, 6.0, 40.0, 1e30])
def test_extreme_noise_gives_numbers(extreme: float) -> None:
    z = torch.full((3, DIM), 0.1)
    z[:, :2] = extreme
    assert fit_neighbours(encodings())(z, torch.arange(3)).isfinite().all()


def config_of(labels: tuple[str, ...]) -> ModelConfig:
    model = VaeModel(latent_dim=DIM, width=8, networks="residual", prior="neighbours")
    return ModelConfig(architecture=model, height=16, width=16, channels=1, labels=labels)


def tensors_of(config: ModelConfig, prior: NeighbourPrior) -> dict[str, torch.Tensor]:
    parts = {"sampler": build_sampler(config), "sampler.prior": prior}
    return {
        f"{name}.{key}": value
        for name, module in parts.items()
        for key, value in module.state_dict().items()
    }


@pytest.mark.parametrize("labels", [("a", "b", "c"), ()])
def test_a_published_prior_samples_and_its_points_give_the_same_pictures(
    labels: tuple[str, ...],
) -> None:
    config = config_of(labels)
    prior = fit_neighbours(encodings() if labels else encodings((50,)))
    sampler = load_sampler(config, tensors_of(config, prior))
    assert isinstance(sampler, PriorSampler)
    z, known = noise(9), torch.arange(9) % 3 if labels else None
    expected = sampler.decoder(prior(z, known), known)
    assert torch.equal(sampler(z, known), expected)
    fast = for_inference(sampler, torch.float32)
    assert isinstance(fast, PriorInference)
    assert torch.allclose(fast(z, known), expected, atol=1e-4)
    assert torch.equal(fast(*fast.points(z, known)), fast(z, known))
    point, _ = fast.turned(prior(z, known), known, known)
    assert torch.equal(fast.prior.near(point, z, known, 0.0), point)
    assert torch.allclose(
        fast.prior.near(point, noise(9, 2), known, 1.0), prior(noise(9, 2), known)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("neighbour", torch.full((51, 8), 51)),
        ("neighbour", torch.full((51, 8), -1)),
        ("start", torch.tensor([0, 60, 50, 51])),
        ("start", torch.tensor([0, 40, 40, 51])),
        ("mean", torch.zeros(50, DIM)),
    ],
)
def test_a_damaged_prior_is_refused(name: str, value: torch.Tensor) -> None:
    config = config_of(("a", "b", "c"))
    tensors = tensors_of(config, fit_neighbours(encodings()))
    tensors[f"sampler.prior.{name}"] = value
    with pytest.raises(StoreError, match="prior's weights do not fit"):
        load_sampler(config, tensors)
