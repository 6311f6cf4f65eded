"""JSON Lines by column, each line with its number."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from aigc.errors import SpecError
from aigc.job.briefs.fields import Reject
from aigc.job.briefs.files import text_lines
from aigc.job.briefs.sheets import Worksheet, require_few_blank
from aigc.job.briefs.values import given, header_name
from aigc.specs.requests import once

_header_name = functools.lru_cache(maxsize=1024)(header_name)


def read_json_lines(uri: str) -> Worksheet:
    """Values keep their types; a column of types that do not go together becomes JSON text."""
    columns: dict[str, list[Any]] = {}
    numbers: list[int] = []
    sheet = Worksheet(columns, numbers)
    _require_lines(uri)
    for number, found in json_lines(uri):
        if isinstance(found, Reject):
            sheet.rejects.append(found)
            continue
        if all(given(value) is None for value in found.values()):
            sheet.blank += 1
            require_few_blank(sheet.blank, uri)
            continue
        for name, value in _named(found).items():
            if name not in columns:
                columns[name] = [None] * len(numbers)
            columns[name].append(value)
        numbers.append(number)
        if len(found) < len(columns):
            for column in columns.values():
                if len(column) < len(numbers):
                    column.append(None)
    return sheet


def json_lines(
    uri: str, holding: Sequence[str] = ("",)
) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    """(line number, object or why it is none) of every line that is not blank and has one of
    the texts `holding` somewhere.

    Raises:
        As `files.text_lines`.
    """
    with text_lines(uri) as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip("\ufeff \t\r\n")
            if text and any(part in text for part in holding):
                yield number, _object(number, text)


def _require_lines(uri: str) -> None:
    """Raises SpecError for one JSON value over the whole file."""
    with text_lines(uri) as lines:
        first = next((text for line in lines if (text := line.strip("\ufeff \t\r\n"))), "")
    if first.startswith("[") or first == "{":
        kind = "array" if first.startswith("[") else "object of several lines"
        raise SpecError(
            f"briefs = {uri}: begins with {first[0]}, as a JSON {kind}; write JSON Lines: one "
            "object a line, without brackets around them or commas between (jq -c '.[]')"
        )


def _named(found: dict[str, Any]) -> dict[str, Any]:
    """With names as a table's header has them, unless two would then be equal."""
    named = {_header_name(name): value for name, value in found.items()}
    return named if len(named) == len(found) else found


def _object(number: int, text: str) -> dict[str, Any] | Reject:
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=once)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        return Reject(number, None, "nested too deeply", "invalid_json")
    except ValueError as error:  # half of a surrogate pair is one, too
        return Reject(number, None, f"not JSON: {error}", "invalid_json")
    if not isinstance(found, dict):
        return Reject(number, None, "expected an object like {...}", "invalid_json")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
