"""IDX, the format of MNIST and its successors: big-endian header, then uint8 values.

Layout after http://yann.lecun.com/exdb/mnist/: two zero bytes, a type byte (8 = uint8), the number
of dimensions, each dimension as uint32, then the data.
"""

from __future__ import annotations

import functools
import math
import re
import struct
import zlib

import numpy as np
import numpy.typing as npt

from aigc.data import archives
from aigc.errors import DataError, shown

NAME = re.compile(
    r"(?:(?P<set>[^/]+?)[-_])?(?P<split>train|t10k|test)[-_](?P<kind>images|labels)"
    r"[-._]idx[13][-._]ubyte(?:\.gz)?$",
    re.IGNORECASE,
)
"""As MNIST has them, or with a set's name before: emnist-letters-train-images-idx3-ubyte.gz."""
_MAX_BYTES = 8 * 2**30
"""An IDX file is held in memory while it is read; above this it is refused."""


def parse(data: bytes, uri: str, dimensions: int) -> npt.NDArray[np.uint8]:
    """`data` (gzipped or not) as a uint8 array of so many dimensions.

    Raises:
        DataError: not gzip, not IDX, another shape, or shorter or longer than the header says.
    """
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, uri)
    if len(data) < 4 + 4 * dimensions or data[:3] != b"\0\0\x08":
        raise DataError(f"{uri}: not an IDX file of uint8 values (bad magic number)")
    if data[3] != dimensions:
        raise DataError(f"{uri}: IDX with {data[3]} dimension(s), expected {dimensions}")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    body = data[4 + 4 * dimensions :]
    if len(body) != math.prod(shape):
        raise DataError(
            f"{uri}: damaged: the header announces {math.prod(shape):,} bytes, {len(body):,} follow"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


@functools.lru_cache(maxsize=4)
def load(uri: str, dimensions: int, size_bytes: int, modified_s: float) -> npt.NDArray[np.uint8]:
    """The IDX file at `uri`; size and time are part of the key, so a changed file is read again."""
    del modified_s
    if size_bytes > _MAX_BYTES:
        raise DataError(f"{uri}: {size_bytes:,} bytes of IDX; convert it to Parquet first")
    return parse(archives.read_bytes(uri), shown(uri.partition("\0")[0]), dimensions)


def _gunzip(data: bytes, uri: str) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        unpacked = stream.decompress(data, _MAX_BYTES)
    except zlib.error as error:
        raise DataError(f"{uri}: damaged gzip file ({error})") from None
    if not stream.eof or stream.unused_data:
        raise DataError(f"{uri}: damaged gzip file (it ends early, is too large, or has a tail)")
    return unpacked
