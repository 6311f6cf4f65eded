"""Small real sound files, good and bad, for the tests of sounds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from aigc.modalities.audio.spec import PrepareSounds

Wave = npt.NDArray[np.float64]
KINDS = ("wav", "flac", "ogg", "mp3", "aiff")
RATE = 22_050


def hit(seed: int, seconds: float = 0.4, rate: int = RATE, channels: int = 1) -> Wave:
    """A drum-like sound (T, C) with a peak of 0.8: no two seeds are near duplicates."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = rng.uniform(60, 900) * (1 + rng.uniform(0, 2) * np.exp(-time * 40))
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / rate) * np.exp(-time * rng.uniform(6, 40))
    noise = rng.normal(0, rng.uniform(0.02, 0.6), len(time)) * np.exp(-time * rng.uniform(10, 60))
    wave = tone * rng.uniform(0.2, 1) + noise
    sides = [wave, np.roll(wave, 3)][:channels]
    stacked: Wave = np.stack(sides, axis=1) * 0.8 / np.abs(wave).max()
    return stacked


def encoded(wave: npt.NDArray[Any], kind: str = "wav", rate: int = RATE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=kind.upper(), **options)
    return buffer.getvalue()


def folder(root: Path, classes: dict[str, int], kind: str = "wav", first_seed: int = 0) -> Path:
    """`root`/<class>/<n>.<kind> with so many sounds each."""
    seed = first_seed
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / name / f"{number:04d}.{kind}").write_bytes(encoded(hit(seed), kind))
            seed += 1
    return root


def spec(source: Path | str = "in", out: Path | str = "out", **fields: Any) -> PrepareSounds:
    """Short clips: a quarter of a second at 8 kHz."""
    values = {"source": str(source), "out": str(out), "seconds": 0.25, "rate": 8_000}
    return PrepareSounds(**{**values, **fields})
