"""Finds the input that a table means by a name: a path, or as Kaggle's tables have it, the name
without its folder or suffix."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from aigc.data import label_tables
from aigc.errors import DataError, listed


class InputNames:
    """Finds an input by what a table calls it."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = set(keys)
        self._composed = {unicodedata.normalize("NFC", key): key for key in keys}
        self._by_end: dict[str, list[str]] = defaultdict(list)

    def find(self, folder: str, name: Any, where: str) -> str:
        """The key of the input, or `name` below the table's folder when there is none.

        Raises DataError: no name, or several inputs have it.
        """
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: {label_tables.FILE_NAME} is missing")
        called: str = name.strip().encode("utf-8", "replace").decode()
        spelled = [posixpath.join(folder, called), called]
        if "\\" in called:
            spelled += [one.replace("\\", "/") for one in spelled]
        for one in spelled:
            key = posixpath.normpath(one)
            if key in self._keys:
                return key
            if (composed := unicodedata.normalize("NFC", key)) in self._composed:
                return self._composed[composed]
        return self._by_name(called, where) or posixpath.normpath(spelled[0])

    def has(self, folder: str, name: str) -> bool:
        """Whether `name` is that of one or more inputs."""
        try:
            return bool(name) and self.find(folder, name, "") in self._keys
        except DataError:
            return True

    def _by_name(self, name: str, where: str) -> str:
        """By the end of the path: as Kaggle's tables have it, without folder or without suffix."""
        if not self._by_end:
            for key in sorted(self._keys):
                base = PurePosixPath(key)
                for end in {base.name, base.stem}:
                    self._by_end[end].append(key)
        found = self._by_end.get(name, []) if "/" not in name else []
        if len(found) > 1:
            raise DataError(f"{where}: {name} may be {listed(found, 3)}; write the path")
        return found[0] if found else ""
