from __future__ import annotations

import pytest

from aigc.modalities.image import encode
from aigc.modalities.image.marks import finder
from aigc.provenance.watermark import open_watermark
from tests.provenance.tampering import reencode
from tests.provenance.watermark.shown import KEY, smooth

PAYLOAD = b"\x05\x04\x03\x02\x01"
MARK = open_watermark("spread", KEY)


def test_a_file_is_decoded_and_searched_by_every_method() -> None:
    marked = MARK.embed(smooth(1200)[None, :640], [PAYLOAD])
    file = reencode(encode(marked, "png")[0], 0.9)
    other = open_watermark("spread", b"another")
    found = finder([MARK, other])(file)
    assert [one.payload for one in found] == [PAYLOAD, None]
    assert found[0].method == "spread"


@pytest.mark.parametrize("file", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_picture_has_none(file) -> None:
    assert finder([MARK])(file) == ()
    assert finder([])(encode(smooth(64)[None], "png")[0]) == ()
