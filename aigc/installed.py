"""Classes that this machine's operator lists: what a spec or a model folder may have imported.

A name that is not on the list is never imported, so no file from elsewhere decides which code runs.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""`package.module:Class`."""
_LONGEST_REASON = 300


def allowed(group: str, variable: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`package.module:Class` by the names that mean it: its own and that of its entry point in
    `group`. The environment's `variable` lists more, separated by commas or blanks."""
    found: dict[str, str] = {}
    for point in importlib.metadata.entry_points(group=group):
        if re.match(NAME, point.value):
            found |= {point.name: point.value, point.value: point.value}
    named = re.split(r"[\s,]+", environment.get(variable, ""))
    return found | {name: name for name in named if re.match(NAME, name)}


def one_line(error: Exception) -> str:
    """What went wrong in code of others."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST_REASON]}"
