from __future__ import annotations

import numpy as np
import pytest

from aigc.provenance.watermark import plane as planes
from aigc.provenance.watermark.alignment import MOST, STEPS, alignments
from aigc.provenance.watermark.codes import Code
from tests.provenance.watermark.shown import KEY


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_part_of_the_pattern_is_found_where_it_is(is_mirrored) -> None:
    code, random = Code(KEY), np.random.default_rng(0)
    whole = planes.pattern(code.sequences(b"12345").sum(axis=0), 128, 128)
    whole += random.normal(0, 3 * whole.std(), whole.shape)
    part = whole[9:119, 14:124]  # 86 % of each side
    shown = part[:, ::-1] if is_mirrored else part
    found = [at for _, at in alignments(np.ascontiguousarray(shown), code.pilot)]
    assert len(found) == MOST
    best = max(found, key=lambda at: at.pilot)
    assert best.pilot > 8
    assert best.is_mirrored == is_mirrored
    assert best.kept == pytest.approx(110 / 128, abs=0.004)
    expected = (9 / 128 * STEPS, 14 / 128 * STEPS)
    assert (best.down, best.across) == pytest.approx(expected, abs=2)


def test_noise_has_no_likely_place() -> None:
    noise = np.random.default_rng(1).normal(size=(128, 150))
    pilot = Code(KEY).pilot
    assert max(at.pilot for _, at in alignments(noise, pilot)) < 6.5
