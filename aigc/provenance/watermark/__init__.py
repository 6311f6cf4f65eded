"""Imperceptible watermarks of images: which item a picture is, in the picture itself."""

from __future__ import annotations

from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.provenance.watermark.installed import open_installed
from aigc.provenance.watermark.protocol import Detection, Method, Watermark
from aigc.provenance.watermark.spread import SPREAD

__all__ = ["DEFAULT", "WATERMARKS", "Detection", "Method", "Watermark", "open_watermark"]

WATERMARKS: dict[str, Method] = {"spread": SPREAD}
DEFAULT = "spread"


def open_watermark(name: str, key: bytes) -> CheckedWatermark:
    """The method of that name with a key: one of `WATERMARKS`, or `package.module:Class` or the
    entry point of one that the operator installed.

    Raises:
        SpecError: in one line, when there is none, or it cannot be made.
    """
    if method := WATERMARKS.get(name):
        return CheckedWatermark(name, method.open(key))
    return CheckedWatermark(name, open_installed(name, key, built_in=WATERMARKS))
