from __future__ import annotations

import pytest

from aigc.models import ModelConfig
from aigc.specs import GanModel
from aigc.training.stage import Stage


def stage_at(done: float, **changes: object) -> Stage:
    model = GanModel(generator="residual", discriminator="residual", **changes)  # type: ignore[arg-type]
    return Stage.at(model, ModelConfig(architecture=model, height=64, width=64, channels=3), done)


@pytest.mark.parametrize(("done", "shrink"), [(0.0, 4), (0.19, 4), (0.2, 2), (0.5, 1), (1.0, 1)])
def test_pictures_double_at_the_stated_shares(done, shrink) -> None:
    stage = stage_at(done, grow=(0.2, 0.5))
    assert stage.shrink == shrink
    assert stage.gamma_factor == pytest.approx(shrink**-2)
    assert stage.arguments == ({} if shrink == 1 else {"doublings": 4 - (shrink // 2)})


def test_without_growth_nothing_changes() -> None:
    assert [stage_at(done) for done in (0.0, 0.5, 1.0)] == [stage_at(0.0)] * 3
    assert (stage_at(0.5).shrink, stage_at(0.5).gamma_factor) == (1, 1.0)


def test_gamma_falls_to_its_end_along_the_cosine() -> None:
    factors = [stage_at(done, gamma_final=0.1).gamma_factor for done in (0.0, 0.5, 1.0)]
    assert factors == pytest.approx([1.0, 0.1**0.5, 0.1])
