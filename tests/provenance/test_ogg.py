from __future__ import annotations

import pytest

from aigc.provenance import ogg
from tests.provenance.statements import sound


@pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("length", [10, 30_000, 255 * 255, 200_000])
def test_pages_keep_their_order_and_checksums(kind, length) -> None:
    plain = sound("OGG", kind)
    marked = ogg.embed(plain, {"note": "x" * length})
    assert ogg.fields(marked) == {"note": "x" * length}
    pages = list(ogg._pages(marked))
    assert [page.number for page in pages] == list(range(len(pages)))
    assert b"".join(page.to_bytes() for page in pages) == marked
    assert b"".join(p.to_bytes() for p in ogg._pages(plain)) == plain, (
        "checksums as libogg has them"
    )
    sounded = [page.body for page in pages if page.granule > 0]
    assert sounded == [page.body for page in ogg._pages(plain) if page.granule > 0]


@pytest.mark.parametrize("file", [b"", b"OggS" + b"\0" * 40, b"OggS\0\x02"])
def test_other_streams_are_refused(file) -> None:
    with pytest.raises(ValueError, match="Ogg"):
        ogg.embed(file, {})
    assert ogg.fields(file) == {}
