"""Normalised briefs: from an item's index to its brief, and from there to its candidates."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc.conditions import CONDITIONS, Values
from aigc.errors import SpecError
from aigc.job.keys import ATTEMPT, Ints, SampleKeys
from aigc.modalities.delivery import CODEC, BriefColumn
from aigc.specs.generate import knobs

COMMON = pa.schema(
    [
        ("brief_id", pa.string()),
        ("count", pa.int64()),
        ("seed", pa.int64()),
        ("first_index", pa.int64()),
        ("label_pattern", pa.int32()),
        ("truncation", pa.float64()),
    ]
)
"""Columns of every table of briefs."""


def columns_of(formats: Sequence[BriefColumn]) -> pa.Schema:
    """All columns of ours, where `formats` are those of the modality."""
    kinds = [(one.name, pa.string() if one == CODEC else pa.int32()) for one in formats]
    return pa.schema([*COMMON, *(pa.field(name, kind) for name, kind in kinds)])


CONSTANT = ("brief_id",)
"""The column of ours by which a set can be partitioned, next to the user's own."""

_FIRST = next(iter(CONDITIONS))
_MAX_NAME_BYTES = 255
_METADATA = b"aigc.briefs"


@dataclass(frozen=True, eq=False)
class Briefs:
    """Briefs in delivery order. Brief r has the indices starts[r] <= index < starts[r] + count.

    Attributes:
        table: the columns of `columns_of`, then the user's own. `first_index` is the counter of
            the first item among those of the seed; `label_pattern` is a row of `patterns`;
            `truncation` is null where latents are not cut.
        patterns: values (P,) of `condition` that a brief repeats over its items; none at all when
            the model takes no condition.
        formats: the columns that say how items are delivered.
        openai: made from an OpenAI batch file; `brief_id` is its custom_id.
    """

    table: pa.Table
    patterns: tuple[Values, ...]
    formats: tuple[BriefColumn, ...]
    openai: bool = False
    condition: str = _FIRST

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the user's own columns."""
        return tuple(self.table.column_names[len(COMMON) + len(self.formats) :])

    @functools.cached_property
    def starts(self) -> Ints:
        """int64 (rows + 1,): the first index of each brief, and at the end the number of items."""
        return np.concatenate([[0], np.cumsum(self._integers["count"])]).astype(np.int64)

    @property
    def asked_patterns(self) -> tuple[Values, ...]:
        """Those of `patterns` that some brief has; one empty pattern if there are none."""
        used = sorted({*self._integers["label_pattern"].tolist()})
        return tuple(self.patterns[at] for at in used) if self.patterns else (np.empty(0, int),)

    @property
    def count(self) -> int:
        """Items of all briefs together."""
        return int(self.starts[-1])

    @property
    def counts(self) -> Ints:
        """int64 (rows,): items of each brief."""
        return self._integers["count"]

    def rows(self, indices: Ints) -> Ints:
        """int64 (N,): which row of the table each index (N,) belongs to.

        Raises:
            IndexError: an index that no brief has.
        """
        if len(indices) and not 0 <= indices.min() <= indices.max() < self.count:
            raise IndexError(f"items {indices.min()} to {indices.max()} of {self.count}")
        return np.searchsorted(self.starts, indices, side="right") - 1

    def keys(self, indices: Ints, attempt: Ints | int = 0) -> SampleKeys:
        """The samples that `indices` (N,) have in their attempts number `attempt`, (N,) or one for
        all.

        A sample depends on its own brief alone: others may come, go or change places.
        """
        rows = self.rows(indices)
        local = indices - self.starts[rows] + self._integers["first_index"][rows]
        return SampleKeys(
            seeds=self._integers["seed"][rows].astype(np.uint64),
            counters=attempt * ATTEMPT + local,
            conditions={self.condition: self._values(rows, local)} if self.patterns else {},
            sampling={name: values[rows] for name, values in self._knobs.items()},
        )

    def partitions(self, names: Sequence[str]) -> list[tuple[int, int, str]]:
        """(start, stop, folder) of consecutive indices that share the values of columns `names`.

        Folders are `campaign-spring/market-se`, percent-encoded. They are not Hive's `market=se`:
        the columns stand in the files, and readers would take their types from the names.
        """
        folders = folder_names(self.table, names)
        runs, row = [], 0
        for folder, same in itertools.groupby(folders):
            stop = row + sum(1 for _ in same)
            runs.append((int(self.starts[row]), int(self.starts[stop]), folder))
            row = stop
        return runs

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over every value, whatever the file or Arrow version they came in."""
        sha256 = hashlib.sha256(self._header())
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            sha256.update(f"\n{name}: {column.type}\n".encode())
            for part in _canonical(column):
                sha256.update(part)
        return sha256.hexdigest()

    def to_parquet(self) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(
            self.table.replace_schema_metadata({_METADATA: self._header()}),
            sink,
            compression="zstd",
            use_compliant_nested_type=False,  # true renames the insides of lists
        )
        return bytes(sink.getvalue())

    @classmethod
    def from_parquet(cls, data: bytes, formats: tuple[BriefColumn, ...]) -> Briefs:
        """Raises SpecError when `data` is not what `to_parquet` gave."""
        try:
            table = pq.read_table(pa.BufferReader(data))
            header = json.loads(table.schema.metadata[_METADATA])
            table.select(columns_of(formats).names)
        except (pa.ArrowException, KeyError, TypeError, ValueError):
            raise SpecError(
                "the stored briefs are damaged: not Parquet as this version of aigc wrote it"
            ) from None
        patterns = tuple(np.asarray(found) for found in header["patterns"])
        plain = table.replace_schema_metadata().combine_chunks()
        return cls(plain, patterns, formats, header["openai"], header.get("condition", _FIRST))

    def _header(self) -> bytes:
        patterns = [pattern.tolist() for pattern in self.patterns]
        named = {} if self.condition == _FIRST else {"condition": self.condition}
        return json.dumps({"patterns": patterns, "openai": self.openai} | named).encode()

    @functools.cached_property
    def _integers(self) -> dict[str, Ints]:
        names = ("count", "seed", "first_index", "label_pattern")
        return {name: self.table[name].to_numpy().astype(np.int64) for name in names}

    @functools.cached_property
    def _knobs(self) -> dict[str, npt.NDArray[np.float64]]:
        """The knobs that some brief sets, NaN where a brief does not."""
        columns = {name: self.table[name] for name in sorted(knobs() & {*self.table.column_names})}
        return {
            name: np.asarray(pc.fill_null(column, np.nan).to_numpy(), dtype=np.float64)
            for name, column in columns.items()
            if column.null_count < len(column)
        }

    @functools.cached_property
    def _flat_patterns(self) -> tuple[Values, Ints, Ints]:
        """All patterns end to end, the offset of each, the length of each."""
        lengths = np.array([len(pattern) for pattern in self.patterns], dtype=np.int64)
        return np.concatenate(self.patterns), np.cumsum(lengths) - lengths, lengths

    def _values(self, rows: Ints, local: Ints) -> Values:
        flat, offsets, lengths = self._flat_patterns
        which = self._integers["label_pattern"][rows]
        return flat[offsets[which] + local % lengths[which]]


def sort_for(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Rows so that each partition is contiguous; inside one they keep their order."""
    if not names:
        return table
    return table.take(pc.sort_indices(pa.array(folder_names(table, names))))


def folder_names(table: pa.Table, names: Sequence[str]) -> list[str]:
    """The folder of each row.

    Raises:
        SpecError: a value too long for the name of a folder.
    """
    parts = [_segments(name, table[name]) for name in names]
    return ["/".join(row) for row in zip(*parts, strict=True)] if parts else [""] * len(table)


def _segments(name: str, column: pa.ChunkedArray) -> list[str]:
    distinct: pa.DictionaryArray = column.combine_chunks().dictionary_encode()
    texts = [_segment(name, value) for value in distinct.dictionary.to_pylist()]
    nothing = _segment(name, None)
    return [nothing if code is None else texts[code] for code in distinct.indices.to_pylist()]


def _segment(name: str, value: Any) -> str:
    """`name-value`; nothing after the hyphen where the cell is empty."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    segment = f"{quote(name, safe='')}-{quote(text, safe='')}"
    if len(segment) > _MAX_NAME_BYTES:
        raise SpecError(
            f"partition_by = {name}: the value {text[:40]!r}... is too long for a folder; "
            "choose a column of short values"
        )
    return segment


def _canonical(column: pa.ChunkedArray) -> list[bytes]:
    """A column's values as bytes that depend on nothing but the values."""
    array = column.combine_chunks()
    missing = array.is_null().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        values = pc.fill_null(array, pa.scalar(0, array.type)).to_numpy()
        return [missing, values.astype(values.dtype.newbyteorder("<")).tobytes()]
    if pa.types.is_string(array.type):
        filled = pc.fill_null(array, "")
        lengths = pc.binary_length(filled).to_numpy().astype("<i4")
        return [missing, lengths.tobytes(), "".join(filled.to_pylist()).encode()]
    return [missing, json.dumps(array.to_pylist(), default=str, sort_keys=True).encode()]
