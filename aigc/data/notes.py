"""Free text that travels with an input: caption, licence, creator, source and consent."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aigc.errors import DataError, listed
from aigc.modalities.base import RejectError
from aigc.specs import PrepareSpec

COLUMNS = ("caption", "licence", "creator", "source", "consent")
"""Of a prepared data set; each is there if its source has it."""
_ON_DEMAND = ("source", "consent")
"""Read only if the spec names their column or asks for them: usual names mean other things, too."""
_USUAL = {
    "caption": ("caption", "text"),
    "licence": ("licence", "license"),
    "creator": ("creator", "author"),
    "source": ("source_url", "source", "url"),
    "consent": ("consent",),
}
_MOST_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Notes:
    """What is said of one input; None where its source does not say it."""

    caption: str | None = None
    licence: str | None = None
    creator: str | None = None
    source: str | None = None
    consent: str | None = None

    def digest(self) -> bytes | None:
        """16 bytes that change with any of the texts; None when all are None."""
        values: tuple[str | None, ...] = (self.caption, self.licence, self.creator)
        if more := (self.source, self.consent) != (None, None):
            values += (self.source, self.consent)
        if not more and values == (None, None, None):
            return None
        return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()


NOTHING = Notes()


def choose(spec: PrepareSpec, present: Collection[str], where: str) -> dict[str, str]:
    """Which of a table's columns holds each of `COLUMNS`; those that none holds are left out.

    Raises:
        DataError: the spec names a column that is not there.
    """
    found = {}
    for name in COLUMNS:
        wanted: str | None = getattr(spec, f"{name}_column")
        usual = [column for column in _USUAL[name] if column in present and _is_read(name, spec)]
        if wanted and wanted not in present:
            shown = listed(sorted(present))
            raise DataError(f"{where}: no column {wanted!r}; set {name}_column to one of {shown}")
        if wanted or (wanted is None and usual):
            found[name] = wanted or usual[0]
    return found


def _is_read(name: str, spec: PrepareSpec) -> bool:
    return name not in _ON_DEMAND or (spec.rights is not None and name in spec.rights.require)


def of_row(row: dict[str, Any], columns: dict[str, str]) -> Notes:
    """The notes in a table's row. Raises RejectError: one cannot be read as text."""
    return Notes(**{name: text(row.get(column), name) for name, column in columns.items()})


def text(value: Any, name: str) -> str | None:
    """A cell as text without blanks around it and in one spelling (NFC), None when that is empty.

    Raises:
        RejectError: a list or other structure, not valid Unicode, or above 10,000 characters.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 2.0 is what 2 becomes next to an empty cell
    if not isinstance(value, str | int | float):
        raise RejectError(f"{name} is a {type(value).__name__}, expected text")
    found = unicodedata.normalize("NFC", str(value).strip())
    if len(found) > _MOST_CHARACTERS:
        raise RejectError(f"{name} of {len(found):,} characters, at most {_MOST_CHARACTERS:,}")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise RejectError(f"{name} is not valid Unicode") from None
    return found or None
