"""Colours that a user names."""

from __future__ import annotations

import contextlib
from typing import Any

from PIL import ImageColor


def opaque_colour(value: Any) -> str:
    """`value`, a CSS name, #rgb, #rrggbb or rgb(r, g, b), as #rrggbb. Raises ValueError where it
    is not an opaque colour."""
    channels: tuple[int, ...] = ()
    with contextlib.suppress(ValueError):
        channels = ImageColor.getrgb(value) if isinstance(value, str) else ()
    if len(channels) != 3:
        raise ValueError("expected an opaque colour such as white or '#f4efe6', in quotes")
    return "#{:02x}{:02x}{:02x}".format(*channels)
