"""Methods of packages that this machine's operator installed, such as TrustMark or PixelSeal.

A spec can only name one that is on the list of the machine, so no spec makes a process import what
its operator did not choose.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from aigc.errors import SpecError
from aigc.installed import InstalledClasses
from aigc.provenance.watermark.protocol import Watermark

METHODS = InstalledClasses(
    title="watermark",
    group="aigc.watermarks",
    variable="AIGC_WATERMARKS",
    parts=("least_px", "payload_bits", "embed", "detect", "soft_binding"),
    error=SpecError,
    field="watermark: ",
)


def open_installed(
    name: str,
    key: bytes,
    environment: Mapping[str, str] = os.environ,
    built_in: Collection[str] = (),
) -> Watermark:
    """`Class(key)` of a method on the list. Raises SpecError in one line, which also names the
    `built_in` methods."""
    made: Watermark = METHODS.instance(METHODS.require_allowed(name, environment, built_in), key)
    return made
