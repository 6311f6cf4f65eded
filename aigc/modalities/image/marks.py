"""The watermarks of picture files of anybody, for `aigc trace`."""

from __future__ import annotations

from collections.abc import Sequence

from aigc.modalities.image.perceptual import reduced
from aigc.provenance.trace import FindMarks
from aigc.provenance.watermark.protocol import Detection, Watermark


def finder(watermarks: Sequence[Watermark]) -> FindMarks:
    """Tries each of `watermarks` on a file; finds none in a file that is not a picture."""

    def find(file: bytes) -> Sequence[Detection]:
        if not watermarks:
            return ()
        try:
            pixels = reduced(file)
        except ValueError:
            return ()
        return [one.detect(pixels) for one in watermarks]

    return find
