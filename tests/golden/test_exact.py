"""Why golden digests hold on every machine: the networks give what float64 gives, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.golden import reference
from tests.golden.make import Golden
from tests.golden.models import EXACT, HALF, Model

_ITEMS = 48
_MARGIN = 1e-3


def expected(golden: Golden, model: Model, precision: str) -> Any:
    """Grey levels by NumPy alone, of the noise that the engine draws."""
    noise, labels = golden.noise_of(model, _ITEMS)
    if precision == "bf16":
        noise = torch.from_numpy(noise).bfloat16().float().numpy()
    tensors = model.tensors(model.size)
    if model.config["architecture"].get("generator") == "residual":
        return reference.levels(reference.residual(model.size, tensors, noise, labels))
    values = reference.deconvolved(model.size, tensors, noise, labels)
    assert (np.rint(values * 16) == values * 16).all()
    return reference.levels(np.tanh(values))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model", [*EXACT, *HALF], ids=lambda model: model.name)
def test_no_sum_rounds(golden: Golden, model: Model, threads: int) -> None:
    precision = "bf16" if model in HALF else "fp32"
    pixels = golden.rendered(model, _ITEMS, precision, threads)
    assert np.array_equal(pixels, expected(golden, model, precision))
    assert pixels.std() > 20, "they show something"


def test_tanh_is_never_near_a_border_between_levels() -> None:
    x = np.arange(-200, 201) / 16
    levels = (np.tanh(x[x != 0]) + 1) * 127.5
    assert np.abs(np.abs(levels - np.rint(levels)) - 0.5).min() > _MARGIN
    assert float(torch.tanh(torch.zeros(1))) == 0, "a border, but exact"
