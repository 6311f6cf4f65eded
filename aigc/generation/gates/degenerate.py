"""Pictures that hold nothing: not finite, one flat tone, or burnt out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aigc.job.keys import Samples
from aigc.specs import DegenerateGate
from aigc.types import UInt8Images

REASONS = ("not_finite", "blank", "saturated")

Mask = npt.NDArray[np.bool_]


def degenerate(pictures: Samples, gate: DegenerateGate) -> dict[str, Mask]:
    """Reason to the rows it refuses, bool (N,)."""
    refused = (
        ~pictures.finite,
        _variance(pictures.pixels) < gate.min_std**2,
        _saturated(pictures.pixels) > gate.max_saturated,
    )
    return dict(zip(REASONS, refused, strict=True))


def _variance(pixels: UInt8Images) -> npt.NDArray[np.float64]:
    """Of each image's grey levels, from sums that are exact."""
    count, _, _, channels = pixels.shape
    sums = pixels.sum(axis=-1, dtype=np.int64).reshape(count, -1)
    squares = np.einsum("ij,ij->i", sums, sums)
    levels, size = sums.sum(axis=1), sums.shape[1]
    variance: npt.NDArray[np.float64] = (size * squares - levels**2) / (size * channels) ** 2
    return variance


def _saturated(pixels: UInt8Images) -> npt.NDArray[np.float64]:
    """Share of each image's values that are 0 or 255."""
    flat = pixels.reshape(len(pixels), -1)
    extreme = np.count_nonzero((flat == 0) | (flat == 255), axis=1)
    share: npt.NDArray[np.float64] = extreme / flat.shape[1]
    return share
