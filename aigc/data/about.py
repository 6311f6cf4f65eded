"""What `source.json` says of the data around it: name, licence, url."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aigc import storage
from aigc.data import archives
from aigc.errors import DataError, shown
from aigc.types import Json

FILE = "source.json"
_FIELDS = {"name": "name", "licence": "licence", "license": "licence", "url": "url"}
_MOST_BYTES = 2**20


def about(entries: Sequence[storage.Entry]) -> Json:
    """The texts in `source.json` directly in the source; {} where there is none.

    Raises:
        DataError: not a JSON object, or a field that is not text.
    """
    for entry in entries:
        if entry.key == FILE:
            archive, inside, _ = entry.uri.partition("\0")
            where = f"{archive}: {FILE}" if inside else entry.uri
            return {
                name: text
                for field, name in _FIELDS.items()
                if (text := _text(_object(entry, where).get(field), field, where))
            }
    return {}


def _object(entry: storage.Entry, where: str) -> dict[str, Any]:
    found: Any = None
    if entry.size_bytes <= _MOST_BYTES:
        try:
            found = json.loads(archives.read_bytes(entry.uri))
        except (ValueError, RecursionError):
            raise DataError(f"{where}: not JSON") from None
    if not isinstance(found, dict):
        raise DataError(f'{where}: expected {{"name": TEXT, "licence": TEXT, "url": TEXT}}')
    return found


def _text(value: Any, field: str, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{where}: {field} = {str(value)[:60]}: expected text")
    return " ".join(shown(value).split()) or None
