"""Statements, files and readers that the tests of provenance share."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc.modalities.image import encode
from aigc.provenance.statement import ItemFacts, Statement
from aigc.specs import Codec
from aigc.types import UInt8Images

STATEMENT = Statement(
    model="shoes",
    model_version="3",
    model_digest="ab" * 32,
    created="2026-11-29T08:00:00Z",
    provider="ACME-1",
    prompt_writer='Jo & "Co" <x>',
    data_digest="cd" * 32,
)
ITEM = ItemFacts("ab12cd34ef56-7-000000000001-2", 'a "red" shoe & <sock>\n')
PICTURES: tuple[tuple[Codec, int], ...] = (("png", 90), ("jpeg", 90), ("webp", 90), ("webp", 100))
SOUNDS = (
    ("WAV", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
)


def pixels(
    count: int = 2, size: int = 64, channels: int = 3, seed: int = 0, detail: int = 24
) -> UInt8Images:
    """Random uint8 (count, size, size, channels), smooth between `detail` points a side."""
    small = (
        np.random.default_rng(seed)
        .integers(0, 256, (count, detail, detail, channels))
        .astype(float)
    )
    ramp = np.linspace(0, detail - 1.001, size)
    low, part = ramp.astype(int), (ramp % 1)[:, None]
    rows = small[:, low] * (1 - part[None, :, :, None]) + small[:, low + 1] * part[None, :, :, None]
    part = part.reshape(1, 1, size, 1)
    mixed = rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part
    return np.ascontiguousarray(mixed.astype(np.uint8))


def picture(codec: Codec, quality: int = 90, *, seed: int = 0, size: int = 64) -> bytes:
    return encode(pixels(1, size, seed=seed), codec, quality)[0]


def sound(container: str, subtype: str) -> bytes:
    """Half a second at 24 kHz, as libsndfile writes it."""
    soundfile = pytest.importorskip("soundfile")
    samples = (np.sin(np.arange(12_000) / 20) * 20_000).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 24_000, format=container, subtype=subtype)
    return buffer.getvalue()


def exiftool(folder: Path, name: str, file: bytes) -> dict[str, Any]:
    """What exiftool reads, as `group:tag`; skipped where it is not installed."""
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    path = folder / name
    path.write_bytes(file)
    done = subprocess.run(
        [program, "-j", "-G1", "-a", "-struct", str(path)], capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found
