"""Classes that this machine's operator lists: what a spec or a model folder may have imported.

A name that is not on the list is never imported, so no file from elsewhere decides which code runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aigc.errors import AigcError, listed

NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""`package.module:Class`."""
_LONGEST_REASON = 300


@dataclass(frozen=True)
class InstalledClasses:
    """The operator's list of classes of one kind."""

    title: str
    """One of them, in a message: `generator`."""
    group: str
    """The entry point group in which packages declare them."""
    variable: str
    """The environment variable that lists more, `package.module:Class`, separated by commas or
    blanks."""
    parts: tuple[str, ...]
    """Attributes that an instance must have."""
    error: type[AigcError]
    """What is raised for a class that cannot be used."""
    field: str = ""
    """The field of a spec that names one, in front of messages: `watermark: `."""

    def allowed(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """`package.module:Class` by the names that mean it: its own and its entry point's."""
        found: dict[str, str] = {}
        for point in importlib.metadata.entry_points(group=self.group):
            if re.match(NAME, point.value):
                found |= {point.name: point.value, point.value: point.value}
        named = re.split(r"[\s,]+", environment.get(self.variable, ""))
        return found | {name: name for name in named if re.match(NAME, name)}

    def require_allowed(
        self,
        name: str,
        environment: Mapping[str, str] = os.environ,
        built_in: Collection[str] = (),
    ) -> str:
        """`package.module:Class` for `name`. Raises `error` if it is not on the list; the message
        also has the `built_in` names, which need no list."""
        known = self.allowed(environment)
        if name not in known:
            there = listed([*built_in, *sorted(set(known.values()))]) or "none"
            raise self._refusal(
                name,
                f"not on this machine's list of {self.title}s; install the package that declares "
                f"it in the entry point group {self.group}, or add it to {self.variable}; "
                f"there are: {there}",
            )
        return known[name]

    def instance(self, name: str, argument: object) -> Any:
        """`Class(argument)` for a class on the list, `package.module:Class`.

        Raises `error` in one line: it cannot be imported or made, or lacks one of `parts`.
        """
        kind = self._class(name)
        try:
            made = kind(argument)
        except self.error:
            raise
        except Exception as error:
            raise self._refusal(name, f"cannot be made: {_one_line(error)}") from error
        if missing := [part for part in self.parts if not hasattr(made, part)]:
            raise self._refusal(name, f"is not a {self.title}, it lacks {listed(missing)}")
        return made

    def _class(self, name: str) -> Any:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            raise self._refusal(name, f"cannot be imported: {_one_line(error)}") from None
        except AttributeError:
            raise self._refusal(name, f"the module {module} has no {attribute}") from None
        except Exception as error:
            reason = f"fails when it is imported: {_one_line(error)}"
            raise self._refusal(name, reason) from error

    def _refusal(self, name: str, reason: str) -> AigcError:
        return self.error(f"{self.field}{name}: {reason}")


def _one_line(error: Exception) -> str:
    """What went wrong in code of others."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST_REASON]}"
