"""Networks this small train fastest on one thread, and do not fight other processes for cores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from aigc.training.gan import GanLearner


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def diverges_after_step_6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GAN's generator has weights that are not numbers after step 6 of its run."""
    healthy = GanLearner.step

    def step(self: GanLearner, batches: Any, step: int, done: float) -> Any:
        figures = healthy(self, batches, step, done)
        if step == 6:
            with torch.no_grad():
                next(self.generator.parameters()).fill_(torch.nan)
        return figures

    monkeypatch.setattr(GanLearner, "step", step)
