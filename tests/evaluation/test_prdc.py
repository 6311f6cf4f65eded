from __future__ import annotations

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from aigc.evaluation import prdc as module
from aigc.evaluation.prdc import prdc, radii


@pytest.mark.parametrize(("shift", "scale", "k"), [(0.0, 1.0, 5), (0.4, 1.0, 3), (0.0, 0.5, 1)])
def test_it_agrees_with_the_authors_package(
    monkeypatch: pytest.MonkeyPatch, shift: float, scale: float, k: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK_ITEMS", 64)
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 12)).astype(np.float32)
    samples = (rng.normal(size=(250, 12)) * scale + shift).astype(np.float32)
    expected = compute_prdc(real, samples, k)
    found = prdc(real, samples, k)
    for name, value in expected.items():
        assert getattr(found, name).mean() == pytest.approx(value, abs=1e-6), name
    assert len(found.precision) == len(found.density) == 250
    assert len(found.recall) == len(found.coverage) == 300


def test_far_from_the_origin_small_distances_survive() -> None:
    real = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    near, far = prdc(real, real[:150], 5), prdc(real + 500, real[:150] + 500, 5)
    assert near.coverage.mean() == pytest.approx(far.coverage.mean(), abs=0.02)


def test_radii_pass_over_the_item_itself() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(line, 1).tolist() == [1, 1, 2, 4]
    assert radii(line, 2).tolist() == [3, 2, 3, 6]
