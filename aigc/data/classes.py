"""Names of classes: one spelling each, and where lists of them come from."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from aigc.conditions.names import class_name
from aigc.errors import DataError, listed

MOST = 65_536
"""Classes that a data set can have."""
_MOST_BYTES = 64 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def counted(count: int) -> str:
    """'1 class', '2 classes'."""
    return f"{count:,} class" if count == 1 else f"{count:,} classes"


def natural(names: Iterable[str]) -> tuple[str, ...]:
    """Sorted; as numbers when all of them are."""
    names = list(names)
    if all(name.isdecimal() and len(name) < 1000 for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def distinct(names: Sequence[str], where: str) -> tuple[str, ...]:
    """A list of names by class number, as `class_name` spells them.

    Raises:
        DataError: two are equal, one is empty, or there are more than `MOST`.
    """
    require_few(len(names), where, names)
    first: dict[str, int] = {}
    for number, name in enumerate(map(class_name, names)):
        if not name:
            raise DataError(f"{where}: class {number} has no name; every class needs one")
        if name in first:
            raise DataError(
                f"{where}: classes {first[name]} and {number} are both named {name[:60]!r}; "
                "give each its own name"
            )
        first[name] = number
    return tuple(first)


def require_few(count: int, where: str, names: Iterable[object]) -> None:
    """Raises DataError when there are more than `MOST` classes."""
    if count > MOST:
        raise DataError(
            f"{where}: more than {MOST:,} classes ({listed(list(names), 3)}); choose a column of "
            "classes as label_column, or '' for none"
        )


def names_in(data: bytes, uri: str) -> tuple[str, ...]:
    """The names in the text file `uri`, one a line in the order of their numbers.

    Raises:
        DataError: not text, a line without a name, or a name twice.
    """
    if len(data) > _MOST_BYTES:
        raise DataError(f"{uri}: {len(data):,} bytes; expected one name a line")
    lines = plain_text(data, uri).rstrip().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise DataError(f"{uri}, line {number}: empty; the name of class {number - 1} is here")
    return distinct(lines, uri)


def marked_encoding(head: bytes) -> str | None:
    """Python's name of the Unicode encoding that a byte order mark at the beginning tells."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def plain_text(data: bytes, where: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 that begins with a byte order mark.

    Raises:
        DataError: another encoding.
    """
    encoding = marked_encoding(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        shown = encoding.upper().removesuffix("-SIG")
        raise DataError(f"{where}: not {shown} at byte {error.start:,}; save it as UTF-8") from None
    if "\0" in text:
        raise DataError(f"{where}: holds NUL characters, not text in UTF-8; save it as UTF-8")
    return text
