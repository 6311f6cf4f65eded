from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from aigc.modalities.image import encode
from aigc.modalities.image.marking import encode_marked
from aigc.provenance.label import DIGITAL_SOURCE_TYPE

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
CASES = [("png", 90), ("jpeg", 90), ("webp", 90), ("webp", 100)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("codec", "quality"), CASES)
def test_the_label_is_read_by_pillow_and_pixels_stay(codec, quality, channels) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 45, channels), dtype=np.uint8)
    files = zip(encode(pixels, codec, quality), encode_marked(pixels, codec, quality), strict=True)
    for plain, marked in files:
        before = Image.open(io.BytesIO(plain))
        after = Image.open(io.BytesIO(marked))
        assert after.size == before.size == (45, 30)
        assert np.array_equal(np.asarray(after), np.asarray(before))
        xmp = after.info.get("xmp") or after.info["XML:com.adobe.xmp"].encode()
        assert DIGITAL_SOURCE_TYPE.encode() in xmp
        described = ElementTree.fromstring(xmp)[0][0]
        assert described.attrib[f"{IPTC}DigitalSourceType"] == DIGITAL_SOURCE_TYPE


def test_raw_values_stay_as_they_are() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 3, 2, 1)
    assert encode_marked(pixels, "raw") == encode(pixels, "raw")
