"""What a graph's output means: where the rows, columns and channels lie, and what is black."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aigc.errors import SpecError, listed
from aigc.isolated.frames import Array

Layout = Literal["NCHW", "NHWC", "NHW", "NCT", "NTC", "NT"]
RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}
"""Of images; what stands first is black."""
_AXES: dict[int, tuple[Layout, ...]] = {4: ("NCHW", "NHWC"), 3: ("NHW",), 2: ()}
_CHANNELS = (1, 3)
_SLACK = 0.02
"""Of the range: networks end a little beyond what they were trained to give."""
_FILLED = 0.05
"""Share of a range that values have to span, for it to be theirs."""


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


def image_layout(shape: tuple[int, ...], asked: str | None) -> Layout:
    """The layout of an image output of this shape (rows first).

    Raises:
        SpecError: it is no batch of images, or not of the layout that was asked for.
    """
    fits = [layout for layout in _AXES.get(len(shape), ()) if _channels(shape, layout)]
    shown = " × ".join(map(str, shape))
    if asked is not None and asked not in fits:
        raise SpecError(f"--layout {asked}: the output has the shape {shown}, which does not fit")
    if not fits:
        raise SpecError(
            f"the output has the shape {shown}; expected images N×C×H×W or N×H×W×C with 1 or 3 "
            "channels, or N×H×W"
        )
    return next(layout for layout in fits if asked in (None, layout))


def _channels(shape: tuple[int, ...], layout: Layout) -> bool:
    return "C" not in layout or shape[layout.index("C")] in _CHANNELS


def deduced_range(values: Array, asked: str | None) -> tuple[float, float]:
    """Which values are black and white, from what some items hold.

    Raises:
        SpecError: they are not finite, fit no range, or not the one that was asked for.
    """
    if values.dtype.kind not in "fui":
        raise SpecError(f"the output has {values.dtype} values; expected numbers")
    if not np.isfinite(values).all():
        raise SpecError("the output is not finite (NaN or infinite) for ordinary noise")
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise SpecError(f"the output is {low:g} everywhere, whatever the noise")
    if asked is not None:
        _require_inside(low, high, asked)
        return RANGES[asked]
    if values.dtype.kind in "ui":
        return RANGES["0..255"]
    fits = [name for name in RANGES if _inside(low, high, *RANGES[name])]
    if not fits:
        raise SpecError(
            f"the output lies in {low:.3g}..{high:.3g}, which is none of {listed(list(RANGES))}; "
            "values outside are cut off where --range names one"
        )
    return RANGES[fits[0]]


def _inside(low: float, high: float, black: float, white: float) -> bool:
    slack = _SLACK * (white - black)
    filled = high - low >= _FILLED * (white - black)
    return filled and black - slack <= low and high <= white + slack


def _require_inside(low: float, high: float, asked: str) -> None:
    """A range that is asked for may be left, but not missed."""
    if asked not in RANGES:
        raise SpecError(f"--range {asked}: expected one of {listed(list(RANGES))}")
    black, white = RANGES[asked]
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
