"""Small real image files, good and bad, for the tests of this room."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aigc.modalities.image.spec import PrepareImages

Pixels = npt.NDArray[np.uint8]


def noise(seed: int, size: int = 16, channels: int = 3) -> Pixels:
    """A smooth random picture: no two seeds are near duplicates."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(image if channels == 3 else image.convert("L"))


def encoded(image: Image.Image | Pixels, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A tiny PNG whose header announces width x height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def folder(root: Path, classes: dict[str, int], size: int = 16, first_seed: int = 0) -> Path:
    """`root`/<class>/<n>.png with so many pictures each."""
    seed = first_seed
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / name / f"{number:04d}.png").write_bytes(encoded(noise(seed, size)))
            seed += 1
    return root


def spec(source: Path | str, out: Path | str, **fields: Any) -> PrepareImages:
    return PrepareImages(**{"source": str(source), "out": str(out), "size": 16, **fields})
