"""A file of briefs, checked row by row: what can be made, and why the rest cannot."""

from __future__ import annotations

import difflib
import itertools
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from aigc.errors import SpecError
from aigc.generation.briefs import openai, sheets
from aigc.generation.briefs.fields import (
    FIELDS,
    BadBriefError,
    Brief,
    Parser,
    Reject,
    brief_id_of,
)
from aigc.generation.briefs.sheets import Sheet
from aigc.generation.briefs.table import COLUMNS, CONSTANT, Briefs, sort_for
from aigc.generation.draws import DRAW
from aigc.models.config import ModelConfig
from aigc.specs import BriefColumns, GenerateSpec

_OURS = {
    *COLUMNS.names,
    *("id", "index", "candidate", "image", "pixels", "label", "label_name", "model"),
    *("model_digest", "digital_source_type", "score", "scores", "latent", "latents"),
    *("file", "size_bytes", "sha256"),
}
"""Names that mean something of ours in the output, or in the table of briefs."""


def read(spec: GenerateSpec, config: ModelConfig) -> tuple[Briefs, list[Reject]]:
    """The briefs `spec.briefs` holds, in delivery order, and its other rows in theirs.

    Raises:
        SpecError: the file or its columns are not as the spec says, no row is good, or more are
            rejected than `max_rejects`.
        StorageError: the file cannot be read.
    """
    uri = spec.briefs or ""
    is_openai = sheets.suffix_of(uri) in (".jsonl", ".ndjson") and openai.is_batch(uri)
    if is_openai:
        sheet, names = openai.read_batch(spec, config), openai.NAMES
        columns: Mapping[str, str] = {name: name for name in FIELDS}
    else:
        sheet = sheets.READERS[sheets.suffix_of(uri)](uri)
        names = spec.columns.model_dump()
        columns = _columns_of_fields(sheet, spec.columns, uri)
    own = [name for name in sheet.columns if name not in columns.values()]
    _require_free(own, uri)
    parser = Parser(spec, config, names)
    parsed = _Parsed()
    for at, (row, *values) in enumerate(_rows(sheet, columns)):
        parsed.add(at, row, values, parser)
    rejects = sorted([*sheet.rejects, *parsed.rejects], key=lambda reject: reject.row)
    _require_few(spec, rejects, len(sheet.numbers) + len(sheet.rejects))
    kept = sheet.table(own).take(pa.array(np.asarray(parsed.kept)))
    table = parsed.table(kept)
    _require_partitions(spec, table, own)
    table = sort_for(table, spec.partition_by).combine_chunks()
    return Briefs(table, parser.patterns, is_openai), rejects


class _Parsed:
    """Good rows by column, as compact as they can be, and the reasons of the others."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []
        self.kept = array("q")
        """Places of good rows among those that could be read."""
        self._columns: dict[str, Any] = {name: [] for name in COLUMNS.names}
        self._columns |= {name: array("q") for name in ("count", "seed")}
        self._columns |= {name: array("i") for name in ("label_pattern", "width", "height")}
        self._columns["quality"] = array("i")
        self._appends = [self._columns[name].append for name in COLUMNS.names]
        self._rows: dict[str, int] = {}
        self._items = 0

    def add(self, at: int, row: int, values: list[Any], parser: Parser) -> None:
        try:
            brief = parser.parse(row, values)
            self._require_new(brief, row, parser)
        except BadBriefError as error:
            name = brief_id_of(values[0])
            self.rejects.append(Reject(row, name, str(error), error.code))
            return
        self._rows[brief.brief_id] = row
        self._items += brief.items
        self.kept.append(at)
        for append, value in zip(self._appends, brief, strict=True):
            append(value)

    def _require_new(self, brief: Brief, row: int, parser: Parser) -> None:
        if (first := self._rows.get(brief.brief_id)) is not None:
            name = parser.names["brief_id"]
            raise BadBriefError(
                f"{name} = {brief.brief_id!r}: row {first} has it already", "duplicate"
            )
        if self._items + brief.items >= DRAW:
            raise BadBriefError(f"{parser.names['count']} = {brief.items}: too many items in all")

    def table(self, own: pa.Table) -> pa.Table:
        """`COLUMNS`, then `own`, whose rows are those kept."""
        arrays = [
            pa.array(np.asarray(values) if isinstance(values, array) else values, kind)
            for values, kind in zip(self._columns.values(), COLUMNS.types, strict=True)
        ]
        names = [*COLUMNS.names, *own.column_names]
        return pa.table([*arrays, *own.columns], names=names)


def _rows(sheet: Sheet, columns: Mapping[str, str]) -> Iterable[tuple[Any, ...]]:
    """(row number, a value for each of `FIELDS`) of each readable row."""
    values: list[Iterator[Any]] = [
        sheet.values(columns[name]) if name in columns else itertools.repeat(None)
        for name in FIELDS
    ]
    return zip(sheet.numbers, *values, strict=False)


def _columns_of_fields(sheet: Sheet, columns: BriefColumns, uri: str) -> dict[str, str]:
    """The user's column of each field that has one. Raises SpecError for a name that is wrong."""
    found = {}
    for field, name in columns.model_dump().items():
        if name in sheet.columns:
            found[field] = name
        elif name != field:
            raise SpecError(
                f"columns.{field} = {name}: {uri} has no such column{_hint(name, sheet.columns)}; "
                f"it has: {', '.join(sheet.columns)}"
            )
    return found


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _require_free(own: Iterable[str], uri: str) -> None:
    """Some readers fold the case of names, so `Label` beside `label` would be one too many."""
    for name in own:
        if name.casefold() in _OURS:
            field = name.casefold() if name.casefold() in FIELDS else "FIELD"
            raise SpecError(
                f"briefs = {uri}: column {name!r} has the name of an output column; rename it, or "
                f"say what it is with --set columns.{field}={name}"
            )


def _require_few(spec: GenerateSpec, rejects: list[Reject], rows: int) -> None:
    if not rows:
        raise SpecError(f"briefs = {spec.briefs}: holds no rows; expected one a brief")
    if not rejects:
        return
    limit = spec.max_rejects * rows if spec.max_rejects < 1 else spec.max_rejects
    first = f"the first is row {rejects[0].row}: {rejects[0].reason}"
    if len(rejects) == rows:
        raise SpecError(f"briefs = {spec.briefs}: none of {rows:,} rows is good; {first}")
    if len(rejects) > limit:
        raise SpecError(
            f"briefs = {spec.briefs}: {len(rejects):,} of {rows:,} rows are rejected, more than "
            f"max_rejects = {spec.max_rejects:g} allows; {first}; --dry-run with a higher "
            "max_rejects lists them"
        )


def _require_partitions(spec: GenerateSpec, table: pa.Table, own: Iterable[str]) -> None:
    """Raises SpecError unless each column of `partition_by` has one plain value a brief."""
    possible = [
        name for name in (*CONSTANT, *own) if not pa.types.is_nested(table.schema.field(name).type)
    ]
    for name in spec.partition_by:
        if name not in possible:
            raise SpecError(
                f"partition_by = {name}: expected columns that have one value a brief: "
                f"{', '.join(possible)}"
            )
