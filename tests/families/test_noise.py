from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aigc.families.noise import Noise, philox4x32

# Known-answer vectors of philox4x32-10 as published with Random123 (file kat_vectors).
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, expected) -> None:
    def words_of(values):
        return tuple(np.array([value], dtype=np.uint64) for value in values)

    words = philox4x32(words_of(counter), words_of(key))
    assert tuple(int(word[0]) for word in words) == expected


def drawn(seed: int, start: int, stop: int, dim: int, truncation: float = np.inf):
    """Latents of consecutive samples of one seed."""
    cut = torch.full((stop - start,), truncation, dtype=torch.float64)
    return consecutive(seed, start, stop).normal((dim,), cut=cut)


def consecutive(seed: int, start: int, stop: int) -> Noise:
    return Noise(np.full(stop - start, seed, np.uint64), np.arange(start, stop, dtype=np.int64))


@given(
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 2**40),
    length=st.integers(1, 50),
    dim=st.integers(1, 70),
    data=st.data(),
)
def test_an_item_drawn_alone_equals_the_one_drawn_in_a_range(
    seed, start, length, dim, data
) -> None:
    index = data.draw(st.integers(start, start + length - 1))
    together = drawn(seed, start, start + length, dim)
    alone = drawn(seed, index, index + 1, dim)
    assert torch.equal(together[index - start], alone[0])


def test_a_longer_latent_begins_with_the_shorter() -> None:
    assert torch.equal(drawn(3, 0, 10, 7), drawn(3, 0, 10, 128)[:, :7])


def test_seeds_and_items_differ() -> None:
    rows = torch.cat([drawn(seed, 0, 100, 8) for seed in (0, 1, 2**32, 2**62)])
    assert len(torch.unique(rows, dim=0)) == 400
    assert len(torch.unique(drawn(0, 2**32 - 2, 2**32 + 2, 8), dim=0)) == 4


def test_uniforms_stay_inside_the_open_interval() -> None:
    u = consecutive(11, 0, 5000).uniform((16,)).numpy()
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.001


def test_latents_are_standard_normal_and_uncorrelated() -> None:
    z = drawn(5, 0, 20_000, 8).double().numpy()
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.001
    correlation = np.corrcoef(z.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.03
    assert abs(np.corrcoef(z[:-1, 0], z[1:, 0])[0, 1]) < 0.03


def test_truncation_gives_the_truncated_normal_from_the_same_words() -> None:
    full, cut = drawn(5, 0, 5000, 4), drawn(5, 0, 5000, 4, truncation=1.0)
    assert cut.abs().max() <= 1
    assert stats.kstest(cut.double().ravel().numpy(), stats.truncnorm(-1, 1).cdf).pvalue > 0.001
    order = full.ravel().argsort()
    assert (cut.ravel()[order].diff() >= 0).all()
    assert torch.allclose(drawn(5, 0, 100, 4, truncation=50.0), full[:100])


def test_rows_of_mixed_seeds_and_cuts_are_those_of_each_alone() -> None:
    seeds = np.array([5, 2**62, 5], np.uint64)
    counters = np.array([9, 2**40 + 3, 2**41], np.int64)
    cut = torch.tensor([torch.nan, 0.5, 1.5], dtype=torch.float64)
    together = Noise(seeds, counters).normal((33,), cut=cut)
    for row in range(3):
        one = slice(row, row + 1)
        alone = Noise(seeds[one], counters[one]).normal((33,), cut=cut[one])
        assert torch.equal(together[row], alone[0])
    assert torch.equal(together[0], drawn(5, 9, 10, 33)[0])
    assert together[1].abs().max() <= 0.5


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    start=st.integers(0, 30),
    stream=st.integers(0, 3),
)
def test_a_place_has_the_same_number_whatever_is_asked_for_around_it(shape, start, stream) -> None:
    noise, count = consecutive(5, 2**33, 2**33 + 3), int(np.prod(shape))
    all_of_it = noise.normal((start + count,), stream)
    assert torch.equal(noise.normal(tuple(shape), stream, start).flatten(1), all_of_it[:, start:])
    assert torch.equal(
        noise.uniform((count,), stream, start), noise.uniform((start + count,), stream)[:, start:]
    )


def test_streams_differ() -> None:
    noise = consecutive(5, 0, 10)
    numbers = torch.cat([noise.uniform((8,), stream) for stream in range(4)])
    assert len(torch.unique(numbers)) == numbers.numel()


def test_padding_repeats_the_last_row() -> None:
    noise = consecutive(5, 0, 10)
    padded = noise.padded(slice(2, 5), 8)
    expected = noise.normal((3, 2))[[2, 3, 4, 4, 4, 4, 4, 4]]
    assert len(padded) == 8
    assert torch.equal(padded.normal((3, 2)), expected)
    cut = torch.full((8,), 0.5, dtype=torch.float64)
    assert padded.normal((3, 2), cut=cut).abs().max() <= 0.5
