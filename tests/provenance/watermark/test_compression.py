from __future__ import annotations

import numpy as np
import pytest

from aigc.provenance.watermark.compression import compressed
from tests.provenance.watermark.shown import coded, smooth


@pytest.mark.parametrize("quality", [40, 75, 90])
def test_it_leaves_what_jpeg_leaves(quality) -> None:
    grey = smooth(96, channels=1)
    grain = np.random.default_rng(0).normal(0, 6, grey.shape)
    shown = (grey + grain).clip(0, 255).astype(np.uint8)
    real = coded(shown, "JPEG", quality)[..., 0]
    ours = compressed(shown[..., 0].astype(np.float64), quality)
    assert np.abs(ours - real).mean() < 0.5


def test_edges_beyond_the_last_block_stay() -> None:
    grey = np.random.default_rng(0).uniform(0, 255, (19, 8))
    assert np.array_equal(compressed(grey, 75)[16:], grey[16:])
    assert not np.array_equal(compressed(grey, 75)[:16], grey[:16])
