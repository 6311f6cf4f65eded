from __future__ import annotations

import hashlib

import numpy as np
import pytest

from aigc.provenance.watermark.codes import AMPLITUDES, SYMBOLS, Code, _hadamard, waves
from tests.provenance.watermark.shown import KEY

PAYLOADS = [bytes(5), b"\xff" * 5, b"\x01\x23\x45\x67\x89"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_word_is_read_back_from_below_its_noise(payload) -> None:
    code, random = Code(KEY), np.random.default_rng(1)
    sequences = code.sequences(payload)
    assert set(np.unique(sequences)) == {-1.0, 1.0}
    noise = random.normal(0, 12, AMPLITUDES)  # each sequence is 22 dB below
    word = code.decode(sequences.sum(axis=0) + noise)
    assert (word.payload, word.is_whole) == (payload, True)
    assert word.z.min() > 5
    assert word.pilot > 5
    assert word.chance < 1e-10


def test_noise_has_no_word() -> None:
    code, random = Code(KEY), np.random.default_rng(2)
    words = [code.decode(random.normal(0, 1, AMPLITUDES)) for _ in range(300)]
    assert not any(word.is_whole for word in words)
    chances = [word.chance * 2**16 for word in words]
    for share in (0.05, 0.2, 0.5):
        assert np.mean(np.array(chances) <= share) < share + 0.06, "they are chances indeed"
    nothing = code.decode(np.zeros(AMPLITUDES))
    assert nothing.chance == 2**-16


def test_another_key_reads_nothing() -> None:
    signal = Code(KEY).sequences(PAYLOADS[2]).sum(axis=0)
    word = Code(b"another key").decode(signal)
    assert not word.is_whole
    assert word.z.max() < 6
    assert abs(word.pilot) < 5


def test_a_wrong_symbol_fails_the_check() -> None:
    code = Code(KEY)
    one, other = (code.sequences(payload) for payload in PAYLOADS[1:])
    for at in range(1, SYMBOLS + 1):
        mixed = one.copy()
        mixed[at] = other[at]
        assert not code.decode(mixed.sum(axis=0)).is_whole


def test_sequences_never_change() -> None:
    """Else pictures that were published are not found any more."""
    found = Code(KEY).sequences(PAYLOADS[2]).astype(np.int8)
    digest = hashlib.sha256(found.tobytes()).hexdigest()
    assert digest == "1f50f544c27353ba83f6063bea2f74ef037753e6f2a17cf700523c438c94cda3"


def test_waves_are_distinct_and_in_one_half_plane() -> None:
    carry = waves()
    pairs = set(zip(carry.down.tolist(), carry.across.tolist(), strict=True))
    assert len(pairs) == AMPLITUDES // 2
    assert not pairs & {(-down, -across) for down, across in pairs}
    assert np.hypot(carry.down, carry.across).min() >= 6
    assert carry.top == max(map(max, pairs))


def test_the_transform_is_hadamards() -> None:
    order = np.arange(AMPLITUDES)
    rows = np.zeros((2, AMPLITUDES))
    rows[0, 5], rows[1, 8190] = 1, 1
    for row, at in ((0, 5), (1, 8190)):
        assert np.array_equal(_hadamard(rows)[row], 1.0 - 2 * (np.bitwise_count(order & at) & 1))
