from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.modalities.image import encode
from aigc.modalities.image.perceptual import hash_file, hashes
from aigc.provenance.looks import bands, colour_distances, distances
from tests.provenance.statements import pixels
from tests.provenance.tampering import reencode


def test_a_hash_depends_on_its_own_picture_only() -> None:
    many = pixels(40, 70)
    together, alone = hashes(many), hashes(many[7:8])
    assert together.bits.shape == (40, 4)
    assert np.array_equal(together.bits[7], alone.bits[0])
    assert np.array_equal(together.colours[7], alone.colours[0])
    assert together.is_telling.all()


def test_half_of_the_bits_are_set_and_bands_hold_them_all() -> None:
    found = hashes(pixels(20, 64))
    assert np.bitwise_count(found.bits).sum(axis=1).tolist() == pytest.approx([128] * 20, abs=4)
    assert np.bitwise_count(bands(found.bits)).sum() == np.bitwise_count(found.bits).sum()


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_reencoded_and_resized_pictures_stay_near_and_others_far(scale) -> None:
    many = pixels(60, 128)
    found = hashes(many)
    for at, file in enumerate(encode(many, "png")):
        again = hash_file(reencode(file, scale, 80))
        apart = distances(again.bits[0], found.bits)
        hues = colour_distances(again.colours[0], found.colours)
        assert int(apart.argmin()) == at
        assert apart[at] <= 24
        assert hues[at] <= 2
        assert np.delete(apart, at).min() > 60


def test_large_pictures_are_averaged_down_first() -> None:
    many = pixels(1, 1300)
    whole, reduced = hashes(many), hash_file(encode(many, "png")[0])
    assert int(distances(reduced.bits[0], whole.bits)[0]) <= 2
    assert colour_distances(reduced.colours[0], whole.colours)[0] <= 1


def test_colours_are_means_of_cells() -> None:
    flat = np.zeros((1, 8, 8, 3), np.uint8)
    flat[0, :2, 6:] = (200, 100, 50)
    found = hashes(flat).colours.reshape(4, 4, 3)
    assert found[0, 3].tolist() == [200, 100, 50]
    assert found.sum() == 350
    grey = hashes(flat[..., :1]).colours.reshape(4, 4, 3)
    assert grey[0, 3].tolist() == [200, 200, 200]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_pictures_that_show_nothing_have_no_hash(level) -> None:
    flat = np.full((1, 32, 32, 3), level, np.uint8)
    noise = flat - (np.random.default_rng(0).integers(0, 2, flat.shape) if level else 0)
    assert not hashes(flat).is_telling[0]
    assert not hashes(noise.astype(np.uint8)).is_telling[0]


def test_other_files_are_refused() -> None:
    gif = io.BytesIO()
    Image.new("L", (4, 4)).save(gif, "GIF")
    for data in (b"", b"text", gif.getvalue()):
        with pytest.raises(ValueError, match="not a readable image"):
            hash_file(data)
