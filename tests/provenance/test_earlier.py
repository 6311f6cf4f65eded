"""Sets that aigc 0.1.0 began go on in its bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc.provenance import reading
from aigc.provenance.earlier import EarlierMarker
from tests.provenance.statements import ITEM, PICTURES, STATEMENT, picture


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_the_source_type_is_all_that_it_states(codec, quality) -> None:
    plain = picture(codec, quality)
    marked = EarlierMarker(True).picture(plain, ITEM)
    found = reading.read(marked)
    assert found.properties == {"Iptc4xmpExt:DigitalSourceType": STATEMENT.source_type}
    before, after = (np.asarray(Image.open(io.BytesIO(file))) for file in (plain, marked))
    assert np.array_equal(before, after)


def test_it_stands_before_jfif_in_a_jpeg() -> None:
    assert EarlierMarker(True).picture(picture("jpeg"), ITEM)[2:4] == b"\xff\xe1"


def test_off_it_changes_nothing() -> None:
    assert EarlierMarker(False).picture(picture("png"), ITEM) == picture("png")


def test_it_writes_what_0_1_0_wrote() -> None:
    folder = Path(__file__).parent.parent / "golden" / "sets" / "finished" / "files" / "images"
    old = next(folder.rglob("*.png")).read_bytes()
    end = 33 + 12 + int.from_bytes(old[33:37], "big")
    plain = old[:33] + old[end:]
    assert EarlierMarker(True).picture(plain, ITEM) == old
