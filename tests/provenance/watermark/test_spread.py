from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.provenance.watermark.spread import SpreadWatermark
from tests.provenance.statements import pixels
from tests.provenance.watermark.shown import ATTACKS, KEY, product, psnr_db, smooth

PAYLOAD = b"\x01\x02\x03\x04\x05"
SHOWN = {
    "product": product(),
    "small product": product(128),
    "smooth": smooth(),
    "white": np.full((256, 256, 3), 255, np.uint8),
    "black": np.zeros((256, 256, 3), np.uint8),
    "grey": smooth(192, channels=1),
    "wide": product(320)[:200],
}


@pytest.fixture(scope="module")
def spread() -> SpreadWatermark:
    return SpreadWatermark(KEY)


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_found_after_what_people_do_to_pictures(spread, name) -> None:
    marked = spread.embed(SHOWN[name][None], [PAYLOAD])[0]
    assert psnr_db(marked, SHOWN[name]) >= 38
    for attack, change in ATTACKS.items():
        found = spread.detect(np.ascontiguousarray(change(marked)))
        assert found.payload == PAYLOAD, attack
        assert found.p_value < 1e-6


def test_what_is_not_marked_is_not_found(spread) -> None:
    for shown in [*SHOWN.values(), *pixels(12, 128, seed=9)]:
        found = spread.detect(shown)
        assert (found.payload, found.p_value) == (None, 1.0)


def test_another_key_finds_nothing(spread) -> None:
    marked = spread.embed(product()[None], [PAYLOAD])[0]
    assert SpreadWatermark(b"").detect(marked).payload is None


def test_a_picture_does_not_depend_on_its_neighbours(spread) -> None:
    shown = np.stack([product(), smooth(), smooth(seed=2)])
    payloads = [PAYLOAD, b"other", b"third"]
    batch = spread.embed(shown, payloads)
    again = SpreadWatermark(KEY).embed(shown[::-1], payloads[::-1])[::-1]
    assert np.array_equal(batch, again)
    for at in range(3):
        alone = spread.embed(shown[at : at + 1], payloads[at : at + 1])
        assert np.array_equal(batch[at], alone[0])
        assert spread.detect(batch[at]).payload == payloads[at]


def test_nothing_to_do_and_what_was_given_stays(spread) -> None:
    empty = np.zeros((0, 128, 128, 3), np.uint8)
    assert spread.embed(empty, []).shape == empty.shape
    shown = product()[None]
    before = shown.copy()
    spread.embed(shown, [PAYLOAD])
    assert np.array_equal(shown, before)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (31, 500, 3), (32, 32, 1), (33, 9000, 3), (3000, 40, 1)]
)
def test_pictures_of_any_shape_are_looked_at(spread, shape) -> None:
    random = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert spread.detect(random).payload is None


def test_stripes_and_chequers_have_no_watermark(spread) -> None:
    down, across = np.mgrid[:200, :256]
    for lines in (across % 2, down % 8 < 4, (across // 16 + down // 16) % 2, across % 3 == 0):
        shown = np.repeat((lines * 255).astype(np.uint8)[..., None], 3, axis=2)
        assert spread.detect(shown).payload is None
        assert psnr_db(spread.embed(shown[None], [PAYLOAD])[0], shown) >= 38


def test_long_pictures_are_refused(spread) -> None:
    with pytest.raises(SpecError, match="at most 4 times the other"):
        spread.embed(np.zeros((1, 128, 513, 3), np.uint8), [PAYLOAD])


def test_its_soft_binding_holds_the_payload(spread) -> None:
    binding = spread.soft_binding(PAYLOAD)
    assert (binding.algorithm, binding.value) == ("aigc.spread.1", "0102030405")
