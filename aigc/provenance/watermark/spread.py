"""Our own watermark: a keyed spread-spectrum signal in the luminance, fitted to each picture.

Spread spectrum (Cox and others 1997) over the waves of `plane`, with the words of `codes`. Because
the embedder knows the picture, it shapes the signal after it: more where the picture's own detail
is weak at that frequency, more where detail hides it, and each symbol as much stronger as the
picture speaks against it (improved spread spectrum; Malvar and Florencio 2003).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aigc.errors import SpecError
from aigc.provenance.claims import SoftBinding
from aigc.provenance.watermark import plane as planes
from aigc.provenance.watermark.alignment import MOST, STEPS, alignments, both
from aigc.provenance.watermark.codes import PAYLOAD_BYTES, SYMBOLS, Code, Double, waves
from aigc.provenance.watermark.compression import compressed
from aigc.provenance.watermark.protocol import Detection, Method, Picture
from aigc.types import UInt8Images

LEAST_PX, MOST_ASPECT = 128, 4
ALGORITHM = "aigc.spread.1"
"""Not in C2PA's list of soft binding algorithms."""
STEPS_DB = (44.0, 42.0, 40.0, 38.3)
"""PSNR of the marked picture: the first at which the signal is strong enough, else the last."""
ENOUGH, ENOUGH_HALF = 8.0, 10.0
"""Standard deviations by which symbols shall stand out after JPEG, and after half the size."""
QUALITY = 70
"""Of that JPEG. WebP 80 takes as much from small pictures."""
FASTEST = 0.3
"""Cycles per pixel above which nothing is embedded: it would not survive half the size."""
HIDING, LEAST_DETAIL, MOST_DETAIL = 0.4, 1.0, 20.0
"""The signal is divided by the strength of detail to that power."""
SHAPING, SHAPE_FLOOR = 1.25, 0.1
"""The same for the strength around each frequency."""
STRAYING = (0.25, 3.0)
"""Shares of its usual strength that a symbol may get."""
ACCEPTED = 1e-5
"""p-value up to which a watermark counts as found."""
SMALLEST_PX = 32
"""Shorter side below which nothing is searched."""


class SpreadWatermark:
    """Of one key; see `Watermark`."""

    least_px = LEAST_PX
    payload_bits = 8 * PAYLOAD_BYTES

    def __init__(self, key: bytes) -> None:
        self._code = _code(key)

    def embed(self, pictures: UInt8Images, payloads: Sequence[bytes]) -> UInt8Images:
        """Raises SpecError for pictures more than four times as long as wide."""
        height, width = pictures.shape[1:3]
        if max(height, width) > MOST_ASPECT * min(height, width):
            given = f"{width} x {height} pixels"
            raise SpecError(f"watermark: {given}; a side of at most {MOST_ASPECT} times the other")
        marked = [self._marked(one, data) for one, data in zip(pictures, payloads, strict=True)]
        return np.stack(marked) if marked else pictures.copy()

    def detect(self, picture: Picture) -> Detection:
        picture = _cut(picture)
        if min(picture.shape[:2]) < SMALLEST_PX:
            return Detection(None, 0.0, 1.0)
        plane = planes.whitened(planes.luminance(picture))
        best = Detection(None, 0.0, 1.0)
        for _, projection in both(plane):
            best = max(best, self._read(planes.amplitudes(projection)), key=_sureness)
        if best.payload is not None:
            return best
        for projection, at in alignments(plane, self._code.pilot):
            found = self._read(planes.amplitudes(projection, at.down / STEPS, at.across / STEPS))
            best = max(best, found, key=_sureness)
        return best

    def soft_binding(self, payload: bytes) -> SoftBinding:
        return SoftBinding(ALGORITHM, payload.hex())

    def _read(self, amplitudes: Double) -> Detection:
        """The p-value counts all alignments that are tried."""
        word = self._code.decode(amplitudes)
        score = float(word.z.mean())
        chance = min(1.0, (2 + MOST) * word.chance)
        if not word.is_whole or chance > ACCEPTED:
            return Detection(None, score, 1.0)
        return Detection(word.payload, score, chance)

    def _marked(self, picture: Picture, payload: bytes) -> Picture:
        sequences = self._code.sequences(payload)
        grey = planes.reduced(planes.luminance(picture, np.float64))
        left, strength = planes.detail(grey)
        shape = _shape(planes.limited(left, strength), min(picture.shape[:2]))
        hiding = np.clip(strength, LEAST_DETAIL, MOST_DETAIL) ** -HIDING
        hiding = _stretched(hiding, picture.shape[:2])
        parts = np.full(SYMBOLS + 1, (SYMBOLS + 1) ** -0.5)
        for psnr in STEPS_DB[:-1]:
            signal = _signal(parts, sequences, shape, hiding)
            marked = _added(picture, signal, psnr, 1)
            parts, is_enough = _corrected(marked, sequences, parts)
            if is_enough:
                break
        else:
            psnr = STEPS_DB[-1]
        return _added(picture, _signal(parts, sequences, shape, hiding), psnr)


SPREAD = Method("spread spectrum in the luminance", SpreadWatermark)


@functools.lru_cache(maxsize=4)
def _code(key: bytes) -> Code:
    return Code(key)


def _sureness(found: Detection) -> tuple[bool, float]:
    return found.payload is not None, found.score


def _corrected(marked: Picture, sequences: Double, parts: Double) -> tuple[Double, bool]:
    """How strong each sequence has to be, from what is left of `parts` after JPEG or after half the
    size, whichever leaves less; and whether that is enough."""
    grey = planes.luminance(marked, np.float64)
    after_jpeg = _heights(compressed(grey, QUALITY), sequences) / ENOUGH
    after_half = _heights(planes.halved(grey), sequences) / ENOUGH_HALF
    left = min(after_jpeg, after_half, key=_together)
    short = (_together(left) - left) / max(float(left @ parts), 1 / ENOUGH)
    usual = len(parts) ** -0.5
    better = np.clip(parts + short, STRAYING[0] * usual, STRAYING[1] * usual)
    return better / np.linalg.norm(better), _together(left) >= 1


def _together(heights: Double) -> float:
    """Their root mean square, those against their sign left out."""
    return float(np.sqrt(np.square(heights.clip(0)).mean()))


def _heights(grey: Double, sequences: Double) -> Double:
    """How far each sequence stands out in a luminance, in standard deviations."""
    found = planes.amplitudes(planes.projected(planes.whitened(grey)))
    return sequences @ (found / (float(np.linalg.norm(found)) or 1.0))


def _cut(picture: Picture) -> Picture:
    """Of a long picture the beginning: the watermark is repeated along it."""
    most = MOST_ASPECT * min(picture.shape[:2])
    return picture[:most, :most]


def _shape(plane: planes.Plane, pixels: int) -> Double:
    """Strength of each amplitude, (8192,): less where the picture itself is strong, none at
    frequencies that would not survive."""
    carry, (rows, columns) = waves(), plane.shape
    unit = min(plane.shape)
    down = np.rint(carry.down * rows / unit).astype(np.int64)
    across = np.rint(carry.across * columns / unit).astype(np.int64)
    last = columns // 2
    own = planes.strengths(plane)[down % rows, np.minimum(across, last)]
    limit = FASTEST * pixels
    fading = np.clip((limit - np.maximum(np.abs(carry.down), carry.across)) / (0.1 * limit), 0, 1)
    half = fading / (np.square(own) + SHAPE_FLOOR**2) ** (SHAPING / 2)
    return np.concatenate([half, half])


def _signal(parts: Double, sequences: Double, shape: Double, hiding: Double) -> Double:
    return planes.pattern((parts @ sequences) * shape, *hiding.shape) * hiding


def _added(picture: Picture, signal: Double, psnr_db: float, rounds: int = 2) -> Picture:
    """`picture` and so much of `signal` that they differ by `psnr_db`, also where values end."""
    target = 255 * 10 ** (-psnr_db / 20)
    factor = target / (float(np.sqrt(np.mean(np.square(signal)))) or 1.0)
    levels = picture.astype(np.int16)
    for _ in range(rounds):
        apart = _sum(levels, signal, factor) - levels
        error = float(np.square(apart, dtype=np.int32).mean()) ** 0.5
        factor *= min(2.0, target / (error or 1.0))
    return _sum(levels, signal, factor).astype(np.uint8)


def _sum(levels: npt.NDArray[np.int16], signal: Double, factor: float) -> npt.NDArray[np.int16]:
    whole = np.rint(factor * signal).clip(-255, 255).astype(np.int16)
    total: npt.NDArray[np.int16] = np.clip(levels + whole[..., None], 0, 255)
    return total


def _stretched(plane: planes.Plane, shape: tuple[int, ...]) -> Double:
    """Bilinear, to (height, width)."""
    if plane.shape == shape:
        return plane
    down, across = (_bilinear(side, cells) for side, cells in zip(shape, plane.shape, strict=True))
    stretched: Double = down @ plane @ across.T
    return stretched


@functools.lru_cache(maxsize=32)
def _bilinear(length: int, cells: int) -> Double:
    """(length, cells)."""
    places = ((np.arange(length) + 0.5) * cells / length - 0.5).clip(0, cells - 1)
    low = np.minimum(places.astype(np.int64), cells - 2)
    weights = np.zeros((length, cells))
    weights[np.arange(length), low] = 1 - (places - low)
    weights[np.arange(length), low + 1] += places - low
    return weights
