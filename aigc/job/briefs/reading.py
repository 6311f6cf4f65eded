"""A file of briefs, checked row by row: what can be made, and why the rest cannot."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from aigc.errors import SpecError
from aigc.families.config import ModelConfig
from aigc.job.briefs import openai, unlike
from aigc.job.briefs.columns import Columns, names_of, sort_columns
from aigc.job.briefs.delimited import read_csv
from aigc.job.briefs.fields import BadBriefError, Brief, Parser, Reject, brief_id_of, fields_of
from aigc.job.briefs.files import kind_of
from aigc.job.briefs.json_lines import read_json_lines
from aigc.job.briefs.parquet import read_parquet
from aigc.job.briefs.sheets import Worksheet
from aigc.job.briefs.table import CONSTANT, Briefs, columns_of, sort_for
from aigc.job.briefs.values import nfc
from aigc.job.briefs.workbook import read_workbook
from aigc.job.keys import ATTEMPT
from aigc.modalities import MODALITIES
from aigc.specs import BriefColumns, GenerateSpec

OnRejects = Callable[[Sequence[Reject]], None]


@dataclass(frozen=True)
class Reading:
    """What a file of briefs holds. Each of its rows is a brief, a reject or blank.

    Attributes:
        briefs: in delivery order.
        rejects: the rows that cannot be made, in their order.
        blank: how many rows have no content.
        notes: lines for the user about how the file was read.
    """

    briefs: Briefs
    rejects: list[Reject]
    blank: int
    notes: tuple[str, ...]


def read(
    spec: GenerateSpec,
    config: ModelConfig,
    models: tuple[str, ...] = (),
    on_rejects: OnRejects = lambda rejects: None,
) -> Reading:
    """What `spec.briefs` holds; `models` are other names of the spec's model. `on_rejects` gets the
    rejected rows, also when they are too many.

    Raises:
        SpecError: the file or its columns are not as the spec says, no row is good, or more are
            rejected than `max_rejects`.
        StorageError: the file cannot be read.
    """
    uri = spec.briefs or ""
    delivery = MODALITIES[config.modality].delivery
    fields = fields_of(delivery)
    sheet, is_openai = _sheet(spec, fields, models)
    if is_openai:
        own = tuple(n for n in (*openai.OWN, openai.IGNORED) if n in sheet.columns)
        columns = Columns({name: name for name in fields}, own, ())
        names: Mapping[str, str] = openai.NAMES
    else:
        columns = sort_columns(list(sheet.columns), spec, delivery)
        names = names_of(spec.columns, delivery) | {"first_index": "first_index"} | columns.fields
    parser = Parser(spec, config, names, sheet.comma)
    parsed = _Parsed(columns_of(delivery.columns), exact=is_openai)
    odd = unlike.Unlike() if is_openai else unlike.find(sheet, columns.fields)
    for at, (row, *values) in enumerate(_rows(sheet, columns.fields, fields)):
        if at in odd.reasons:
            parsed.rejects.append(Reject(row, brief_id_of(values[0]), odd.reasons[at]))
        else:
            parsed.add(at, row, values, parser)
    rejects = sorted([*sheet.rejects, *parsed.rejects], key=lambda reject: reject.row)
    on_rejects(rejects)
    _require_few(spec, rejects, len(sheet.numbers) + len(sheet.rejects))
    kept = sheet.table(columns.own).take(pa.array(np.asarray(parsed.kept)))
    table = parsed.table(kept)
    _require_partitions(spec, table, columns.own)
    table = sort_for(table, spec.partition_by).combine_chunks()
    notes = (*sheet.notes, *columns.notes, *_blank_note(uri, sheet.blank))
    if odd.unlabelled and config.conditional:
        notes += (_unlabelled_note(uri, odd.unlabelled, spec),)
    found = Briefs(table, parser.patterns, delivery.columns, is_openai, parser.condition)
    return Reading(found, rejects, sheet.blank, notes)


def _sheet(
    spec: GenerateSpec, fields: tuple[str, ...], models: tuple[str, ...]
) -> tuple[Worksheet, bool]:
    """The file as a sheet, and whether it is a batch of OpenAI's."""
    uri = spec.briefs or ""
    kind = kind_of(uri)
    if spec.briefs_sheet is not None and kind != "xlsx":
        raise SpecError(
            f"briefs_sheet = {spec.briefs_sheet}: only Excel workbooks have sheets, not {uri}"
        )
    match kind:
        case "csv":
            return read_csv(uri), False
        case "parquet":
            return read_parquet(uri), False
        case "xlsx":
            return read_workbook(uri, spec.briefs_sheet), False
    if openai.is_batch(uri):
        if spec.columns != BriefColumns() or spec.own_columns:
            raise SpecError(
                f"columns and own_columns: {uri} is an OpenAI batch file, which has names of its "
                "own; leave them out"
            )
        return openai.read_batch(spec, fields, models), True
    return read_json_lines(uri), False


def _blank_note(uri: str, blank: int) -> tuple[str, ...]:
    if not blank:
        return ()
    rows = "1 row without content is" if blank == 1 else f"{blank:,} rows without content are"
    return (f"{uri}: {rows} ignored",)


def _unlabelled_note(uri: str, count: int, spec: GenerateSpec) -> str:
    rows = "1 row names" if count == 1 else f"{count:,} rows name"
    taken = "those of the spec" if spec.labels else "every label of the model"
    return f"{uri}: {rows} no label, others do; made of {taken}"


class _Parsed:
    """Good rows by column, as compact as they can be, and the reasons of the others."""

    def __init__(self, schema: pa.Schema, exact: bool) -> None:
        """`schema` is that of all columns of ours."""
        self._schema, self._exact = schema, exact
        """Whether a brief's name stays as it is written, for a client to find it again."""
        self.rejects: list[Reject] = []
        self.kept = array("q")
        """Places of good rows among those that could be read."""
        self._columns: dict[str, Any] = {one.name: _column(one.type) for one in schema}
        self._appends = [column.append for column in self._columns.values()]
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
        self._rows[nfc(brief.brief_id)] = row
        self._items += brief.items
        if not self._exact:
            brief = brief._replace(brief_id=nfc(brief.brief_id))
        self.kept.append(at)
        *common, format_ = brief
        for append, value in zip(self._appends, (*common, *format_), strict=True):
            append(value)

    def _require_new(self, brief: Brief, row: int, parser: Parser) -> None:
        if (first := self._rows.get(nfc(brief.brief_id))) is not None:
            name = parser.names["brief_id"]
            raise BadBriefError(
                f"{name} = {brief.brief_id!r}: row {first} has it already", "duplicate"
            )
        if brief.first_index + brief.items > ATTEMPT:
            index, count = parser.names["first_index"], parser.names["count"]
            raise BadBriefError(
                f"{index} = {brief.first_index}: with {count} = {brief.items} at most "
                f"{ATTEMPT - brief.items:,}"
            )
        if self._items + brief.items >= ATTEMPT:
            raise BadBriefError(f"{parser.names['count']} = {brief.items}: too many items in all")

    def table(self, own: pa.Table) -> pa.Table:
        """Columns of ours, then `own`, whose rows are those kept."""
        arrays = [
            pa.array(np.asarray(values) if isinstance(values, array) else values, kind)
            for values, kind in zip(self._columns.values(), self._schema.types, strict=True)
        ]
        names = [*self._schema.names, *own.column_names]
        return pa.table([*arrays, *own.columns], names=names)


def _column(kind: pa.DataType) -> Any:
    """Where values are appended; whole numbers take no more room than they need."""
    if not pa.types.is_integer(kind):
        return []
    return array("q" if kind == pa.int64() else "i")


def _rows(
    sheet: Worksheet, columns: Mapping[str, str], fields: tuple[str, ...]
) -> Iterable[tuple[Any, ...]]:
    """(row number, a value for each of `fields`) of each readable row."""
    values: list[Iterator[Any]] = [
        sheet.values(columns[name]) if name in columns else itertools.repeat(None)
        for name in fields
    ]
    return zip(sheet.numbers, *values, strict=False)


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
