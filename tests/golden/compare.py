"""What differs between a recorded value and the one found today, a line each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

_MEAN, _LEVELS = "mean_level", 1.0
"""A set's mean grey level is compared within so many levels, whatever library encoded it."""


def differences(
    recorded: Any, found: Any, without: Collection[str] = (), where: str = ""
) -> list[str]:
    """Fields by dotted name, recorded and found; `without` are top fields not to compare."""
    return list(_differences(recorded, found, without, where))


def _differences(recorded: Any, found: Any, without: Collection[str], where: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name in recorded | found:
            if name not in without:
                inside = f"{where}.{name}" if where else str(name)
                yield from _differences(recorded.get(name), found.get(name), (), inside)
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for at, pair in enumerate(zip(recorded, found, strict=True)):
            yield from _differences(*pair, (), f"{where}[{at}]")
    elif where == _MEAN and recorded is not None and found is not None:
        if abs(recorded - found) > _LEVELS:
            yield f"{where}: {recorded} recorded, {found} found"
    elif recorded != found:
        yield f"{where}: {recorded} recorded, {found} found"
