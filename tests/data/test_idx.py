from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from aigc.data.idx import parse
from aigc.errors import DataError


def packed(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


VALUES = np.arange(2 * 3 * 4).reshape(2, 3, 4)


def test_plain_and_gzipped_files_are_read() -> None:
    assert np.array_equal(parse(packed(VALUES), "x", 3), VALUES)
    assert np.array_equal(parse(gzip.compress(packed(VALUES)), "x", 3), VALUES)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "bad magic"),
        (b"\0\0\x0d\x03" + bytes(40), "bad magic"),
        (packed(VALUES)[:-1], "announces 24 bytes, 23 follow"),
        (packed(VALUES) + b"x", "announces 24 bytes, 25 follow"),
        (packed(VALUES[0]), "2 dimension"),
        (gzip.compress(packed(VALUES), mtime=0)[:-9], "damaged gzip"),
        (b"\x1f\x8b" + b"nonsense" * 4, "damaged gzip"),
    ],
)
def test_damage_is_said_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse(data, "x", 3)
