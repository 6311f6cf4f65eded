"""Methods of packages that this machine's operator installed, such as TrustMark or PixelSeal.

A spec can only name one that is on the list of the machine, so no spec makes a process import what
its operator did not choose.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from aigc import installed
from aigc.errors import SpecError, listed
from aigc.provenance.watermark.protocol import Watermark

GROUP = "aigc.watermarks"
"""The entry point group in which packages declare their methods."""
VARIABLE = "AIGC_WATERMARKS"
"""More of them, `package.module:Class`, separated by commas or blanks."""
_PARTS = ("least_px", "payload_bits", "embed", "detect", "soft_binding")


def allowed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The methods that a spec may name, see `aigc.installed.allowed`."""
    return installed.allowed(GROUP, VARIABLE, environment)


def open_installed(name: str, key: bytes, environment: Mapping[str, str] = os.environ) -> Watermark:
    """`Class(key)` of a method on the list. Raises SpecError in one line."""
    known = allowed(environment)
    if name not in known:
        there = listed(sorted(set(known.values()))) or "none"
        raise SpecError(
            f"watermark: {name} is not on this machine's list; install the package that declares "
            f"it in the entry point group {GROUP}, or add it to {VARIABLE}; listed: {there}"
        )
    value = known[name]
    try:
        made = _class(value)(key)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(
            f"watermark: {value} cannot be made: {installed.one_line(error)}"
        ) from error
    missing = [part for part in _PARTS if not hasattr(made, part)]
    if missing:
        raise SpecError(f"watermark: {value} is not a watermark, it lacks {listed(missing)}")
    checked: Watermark = made
    return checked


def _class(value: str) -> Any:
    module, _, attribute = value.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise SpecError(f"watermark: {value}: the module {module} has no {attribute}") from None
