from __future__ import annotations

import numpy as np
import pytest

from aigc.provenance.marker import Marker
from aigc.provenance.spec import Provenance
from aigc.provenance.unsigned import unsigned
from tests.provenance.signers import marked, signer
from tests.provenance.statements import ITEM, PICTURES, STATEMENT, sound


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
@pytest.mark.parametrize("seed", range(8))
def test_a_picture_is_restored(codec, quality, seed) -> None:
    file = marked(codec, quality, seed=seed)
    signed = signer().sign(file, codec, ITEM)
    assert len(signed) > len(file)
    assert unsigned(signed) == unsigned(file) == file


@pytest.mark.parametrize("codec", ["wav", "flac"])
@pytest.mark.parametrize("is_marked", [True, False])
def test_a_sound_is_restored(codec, is_marked) -> None:
    file = sound(codec.upper(), "PCM_16")
    if is_marked:
        file = Marker(Provenance(), STATEMENT).sound(file, ITEM)
    assert unsigned(signer().sign(file, codec, ITEM)) == unsigned(file) == file


def test_other_files_stay() -> None:
    for file in (b"", b"raw values", sound("OGG", "VORBIS"), sound("MP3", "MPEG_LAYER_III")):
        assert unsigned(file) == file


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
def test_damaged_files_raise_nothing(codec) -> None:
    signed = signer().sign(marked(codec), codec, ITEM)
    random = np.random.default_rng(0)
    for cut in range(0, 5000, 17):
        unsigned(signed[:cut])
    for _ in range(500):
        broken = bytearray(signed)
        broken[random.integers(5000)] = random.integers(256)
        unsigned(bytes(broken))
