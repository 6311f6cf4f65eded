from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.modalities.image import encode
from aigc.modalities.picture_formats import WRITTEN
from aigc.provenance import pictures
from tests.provenance.statements import PICTURES, picture, pixels

PACKET = '<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/"/><?xpacket?>'.encode()


@pytest.mark.parametrize("size", [1, 30, 65])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_pillow_reads_the_packet_and_the_same_pixels(codec, quality, channels, size) -> None:
    plain = encode(pixels(1, size, channels), codec, quality)[0]
    marked = pictures.embed(plain, PACKET)
    before = Image.open(io.BytesIO(plain), formats=WRITTEN)
    after = Image.open(io.BytesIO(marked), formats=WRITTEN)
    assert after.size == before.size == (size, size)
    assert np.array_equal(np.asarray(after), np.asarray(before))
    found = after.info.get("xmp") or after.info["XML:com.adobe.xmp"].encode()
    assert found == PACKET
    assert pictures.find(marked) == PACKET
    assert pictures.find(plain) is None


@pytest.mark.parametrize("file", [b"", b"GIF89a", b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_refused(file) -> None:
    with pytest.raises(ValueError, match="not a PNG, JPEG or WebP"):
        pictures.embed(file, PACKET)
    assert pictures.find(file) is None


def test_a_webp_file_with_metadata_is_refused() -> None:
    marked = pictures.embed(picture("webp"), PACKET)
    with pytest.raises(ValueError, match="extended format"):
        pictures.embed(marked, PACKET)


def test_a_packet_too_long_for_a_jpeg_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="65504"):
        pictures.embed(picture("jpeg"), b"x" * 65_505)
    assert pictures.find(pictures.embed(picture("jpeg"), b"x" * 65_504)) == b"x" * 65_504


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_damaged_files_give_nothing_or_the_packet(codec, quality) -> None:
    marked = pictures.embed(picture(codec, quality), PACKET)
    random = np.random.default_rng(0)
    for cut in range(0, len(marked), 7):
        assert pictures.find(marked[:cut]) in {None, PACKET}
    for _ in range(300):
        broken = bytearray(marked)
        broken[random.integers(len(broken))] = random.integers(256)
        pictures.find(bytes(broken))


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_a_packet_in_two_parts_is_one(codec, quality) -> None:
    plain = picture(codec, quality)
    for at in (0, 9, len(PACKET)):
        assert pictures.embed(plain, PACKET[:at], PACKET[at:]) == pictures.embed(plain, PACKET)
