"""Values as users write them in tables: nothing, texts, whole numbers and real ones."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(\.0*)?")
_REAL = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,][0-9]{3})+")
"""A thousand and more in one country, one and a fraction in another."""
_SPACED = re.compile(r"[+-]?[0-9]{1,3}([\s'’_][0-9]{3})+")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]*")


def nfc(text: str) -> str:
    """One spelling of characters that Unicode can write in two ways."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def header_name(cell: Any) -> str:
    """The name of a column on one line, as a cell of a header has it; empty where there is none."""
    text = "" if cell is None else text_of(cell)
    return nfc(" ".join("".join(c for c in text if c not in "\ufeff\u200b\u2060").split()))


def given(value: Any) -> Any:
    """None for what stands for nothing in the file: empty text, and NaN as pandas writes it."""
    if isinstance(value, str):
        return value if value.strip(_INVISIBLE).strip() else None
    return None if isinstance(value, float | Decimal) and math.isnan(value) else value


def text_of(value: Any) -> str:
    """As a person would write it: the number 7.0, to which spreadsheets and pandas turn a 7, is
    `7`."""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def shown(value: Any) -> str:
    """For a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def whole(value: Any, comma: bool = False) -> int | None:
    """A whole number, None where it is none or may be one of two.

    `comma` says that the file may write decimals with a comma.
    """
    if isinstance(value, str):
        text = _pointed(value.strip(), comma)
        clear = _WHOLE.fullmatch(text) and not _GROUPED.fullmatch(text)
        return int(text.partition(".")[0]) if clear else None
    if isinstance(value, float | Decimal):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= 2**53 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def real(value: Any, comma: bool = False) -> float | None:
    """A finite number or an infinite one, None where it is none or may be one of two."""
    if isinstance(value, str):
        text = _pointed(value.strip(), comma)
        clear = _REAL.fullmatch(text) and not (comma and _GROUPED.fullmatch(text))
        return float(text) if clear else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def hint(value: Any) -> str:
    """What a number written in the manner of another country should look like."""
    text = value.strip() if isinstance(value, str) else ""
    if _GROUPED.fullmatch(text):
        digits, mark = re.sub("[.,]", "", text), "," if "," in text else "."
        if text.count(mark) > 1 or {".", ","} <= {*text}:
            return f"; write {digits} if it is that"
        return f"; it may be {text.replace(mark, '.').rstrip('0').rstrip('.')} or {digits}"
    if _SPACED.fullmatch(text):
        return f"; write it without separators: {re.sub(r'[^0-9+-]', '', text)}"
    return "; write the decimal with a point" if _COMMA.fullmatch(text) else ""


def _pointed(text: str, comma: bool) -> str:
    """With a decimal point, where a comma can be nothing else."""
    if comma and _COMMA.fullmatch(text) and not _GROUPED.fullmatch(text):
        return text.replace(",", ".")
    return text
