from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.provenance.watermark import Watermark, open_watermark
from tests.provenance.watermark.shown import KEY, product

MARK = open_watermark("spread", KEY)


def test_it_is_a_watermark_itself() -> None:
    assert isinstance(MARK, Watermark)


@pytest.mark.parametrize(
    ("pictures", "payloads", "reason"),
    [
        (product()[None].astype(np.float32), [b"12345"], "float32 .* uint8"),
        (product(), [b"12345"], "N, H, W"),
        (np.zeros((1, 128, 128, 4), np.uint8), [b"12345"], "1 or 3"),
        (np.zeros((1, 127, 300, 3), np.uint8), [b"12345"], "300 x 127 pixels are too few; 128"),
        (product()[None], [], "0 payloads for 1 pictures"),
        (product()[None], [b"1234"], "a payload has 32 bits; 40 are right"),
    ],
)
def test_what_cannot_be_marked_is_named_in_one_line(pictures, payloads, reason) -> None:
    with pytest.raises(SpecError, match=reason):
        MARK.embed(pictures, payloads)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5), (5, 5, 2)])
def test_what_is_no_picture_is_not_looked_at(shape) -> None:
    with pytest.raises(SpecError, match="watermark: spread"):
        MARK.detect(np.zeros(shape, np.uint8))
