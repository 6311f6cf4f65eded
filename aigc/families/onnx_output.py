"""Interprets the output of a graph: the order of its axes and its range of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aigc.errors import SpecError, listed
from aigc.isolated.frames import Array

Layout = Literal["NCHW", "NHWC", "NHW", "NCT", "NTC", "NT"]
RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}
"""Of images: black and white."""
SOUND_RANGES = {"-1..1": (-1.0, 1.0), "int16": (-32768.0, 32768.0)}
"""Of sounds: the lowest and the highest sample."""
_LAYOUTS: dict[bool, dict[int, tuple[Layout, ...]]] = {
    False: {4: ("NCHW", "NHWC"), 3: ("NHW",)},
    True: {3: ("NCT", "NTC"), 2: ("NT",)},
}
"""Of images and of sounds, by the number of axes."""
_CHANNELS = {False: (1, 3), True: (1, 2)}
_EXPECTED = {
    False: "images N×C×H×W or N×H×W×C with 1 or 3 channels, or N×H×W; give --rate HZ if they are "
    "sounds",
    True: "sounds N×C×T or N×T×C with 1 or 2 channels, or N×T",
}
_SLACK = 0.02
"""Share of the range by which values may exceed it, as outputs of networks do."""
_FILLED = 0.05
"""Share of a range that the values must span for the range to match."""


def chosen(found: Sequence[Mapping[str, Any]], name: str | None) -> str:
    """The name of the output to use. Raises SpecError."""
    names = [each["name"] for each in found]
    if name is None and len(names) == 1:
        return str(names[0])
    if name is None:
        raise SpecError(f"the graph has {len(names)} outputs; give --output: {listed(names)}")
    if name not in names:
        raise SpecError(f"--output {name}: the graph has no such output; it has {listed(names)}")
    return name


def layout_of(shape: tuple[int, ...], asked: str | None, *, sounds: bool = False) -> Layout:
    """The layout of an output of this shape (rows first).

    Raises:
        SpecError: it is not a batch of images or sounds, or does not have the layout `asked`.
    """
    known = _LAYOUTS[sounds].get(len(shape), ())
    fits = [layout for layout in known if _has_channels(shape, layout, _CHANNELS[sounds])]
    shown = " × ".join(map(str, shape))
    if asked is not None and asked not in fits:
        raise SpecError(f"--layout {asked}: the output has the shape {shown}, which does not fit")
    if not fits:
        raise SpecError(f"the output has the shape {shown}; expected {_EXPECTED[sounds]}")
    return next(layout for layout in fits if asked in (None, layout))


def _has_channels(shape: tuple[int, ...], layout: Layout, channels: tuple[int, ...]) -> bool:
    if "C" not in layout:
        return min(shape[1:]) > max(_CHANNELS[True])  # else that axis is the channels of sounds
    return shape[layout.index("C")] in channels


def range_of(values: Array, asked: str | None, *, sounds: bool = False) -> tuple[float, float]:
    """The values that are mapped to -1 and 1, deduced from the values of some items.

    Raises:
        SpecError: they are not finite, match no range, or not the range `asked`.
    """
    if values.dtype.kind not in "fui":
        raise SpecError(f"the output has {values.dtype} values; expected numbers")
    if not np.isfinite(values).all():
        raise SpecError("the output is not finite (NaN or infinite) for ordinary noise")
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise SpecError(f"the output is {low:g} everywhere and does not depend on the noise")
    ranges = SOUND_RANGES if sounds else RANGES
    if asked is not None:
        _require_inside(low, high, asked, ranges)
        return ranges[asked]
    if values.dtype.kind in "ui":
        return ranges["int16" if sounds else "0..255"]
    least = 0.0 if sounds else _FILLED  # sounds may be quiet
    fits = [found for found in ranges.values() if _inside(low, high, *found, least)]
    if not fits:
        raise SpecError(
            f"the output lies in {low:.3g}..{high:.3g}, which is none of {listed(list(ranges))}; "
            "name one with --range, and values outside it are clipped"
        )
    return fits[0]


def _inside(low: float, high: float, first: float, last: float, least: float) -> bool:
    slack = _SLACK * (last - first)
    filled = high - low >= least * (last - first)
    return filled and first - slack <= low and high <= last + slack


def _require_inside(
    low: float, high: float, asked: str, ranges: Mapping[str, tuple[float, float]]
) -> None:
    """Values may exceed a given range, but some must lie inside it."""
    if asked not in ranges:
        raise SpecError(f"--range {asked}: expected one of {listed(list(ranges))}")
    black, white = ranges[asked]
    if high <= black or low >= white:
        raise SpecError(
            f"--range {asked}: the output lies in {low:.3g}..{high:.3g}, all of it outside"
        )


def to_unit(values: Array, layout: Layout, scale: tuple[float, float]) -> npt.NDArray[np.float32]:
    """float32 in [-1, 1], channels first: (N, C, H, W), or (N, C, T) of sounds."""
    black, white = scale
    plain = values.astype(np.float32)
    if (black, white) != RANGES["-1..1"]:
        plain = (plain - np.float32(black)) * np.float32(2 / (white - black)) - np.float32(1)
    if "C" not in layout:
        return plain[:, None]
    at = layout.index("C")
    return np.ascontiguousarray(np.moveaxis(plain, at, 1))
