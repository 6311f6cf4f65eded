"""What a data set says of itself once some of its items are gone: counts, digest, credits, card."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import attribution, card, layout, measures
from aigc.data.dataset import Dataset
from aigc.data.fingerprints import fingerprint
from aigc.data.notes import COLUMNS, Notes
from aigc.data.row_groups import read_block
from aigc.modalities import MODALITIES
from aigc.modalities.prepare_spec import PrepareSpec
from aigc.types import Json

_PER_CLASS, _PREVIEW_CLASSES = 10, 50
_COPIED = ("LICENSE", "rejects.parquet")


class KeptItems:
    """Of a data set the items that `keep` (bool by split) says."""

    def __init__(self, dataset: Dataset, keep: dict[str, npt.NDArray[np.bool_]]) -> None:
        self._dataset, self._keep = dataset, keep
        self.spec: PrepareSpec = MODALITIES[dataset.modality].source.spec.model_validate(
            dataset.info["spec"] | {"modality": dataset.modality, "out": dataset.uri}
        )
        self._texts = [name for name in COLUMNS if name in dataset.columns]

    @property
    def counts(self) -> dict[str, int]:
        return {split: int(keep.sum()) for split, keep in self._keep.items()}

    def facts(self) -> Json:
        """The fields of `dataset.json` that follow from the items: counts, statistics, digest,
        licences."""
        lines: list[tuple[str, bytes]] = []
        labels: dict[str, list[int]] = {split: [] for split in layout.SPLITS}
        totals: list[int] = []
        for side, split in enumerate(layout.SPLITS):
            for table, items in self._rows(split):
                label = table.column("label").to_pylist()
                labels[split] += label
                content = fingerprint(items, self._dataset.kind).content
                for id, at, value, notes in zip(
                    table.column("id").to_pylist(), label, content, self._notes(table), strict=True
                ):
                    lines.append((id, measures.digest_row(side, id, at, value, notes)))
                if split == "train":
                    totals = _added(totals, items)
        named = self._dataset.labels
        per_class = {
            split: measures.per_class(np.array(found, np.int64), named)
            for split, found in labels.items()
        }
        untrained = {name: "forgotten" for name in named if not per_class["train"][name]}
        untrained |= {
            n: why for n, why in self._dataset.info["untrained"].items() if n in untrained
        }
        credits = attribution.totals(self.credits(), tuple(self._texts))
        return {
            "counts": self.counts,
            "per_class": per_class,
            "untrained": untrained,
            **self._statistics(totals),
            "digest": self._digest(lines),
            **credits,
        }

    def credits(self) -> attribution.Rows:
        return attribution.count_rows(self._credited())

    def write_reports(self, out: str, made: Json, gone: Collection[str]) -> None:
        """The reports next to the shards, as `aigc data prepare` writes them; nothing in them names
        an item that is `gone`."""
        for name in _COPIED:
            data = storage.read_if_there(storage.join(self._dataset.uri, name))
            if data is not None:
                storage.write_bytes(storage.join(out, name), data)
        self._write_duplicates(out, gone)
        storage.write_bytes(storage.join(out, "preview.png"), self._preview())
        credits = self.credits() if {"licence", "creator"} & set(self._texts) else []
        if credits:
            named = self._credited()
            rows = attribution.with_sources(named) if "source" in self._texts else credits
            table = attribution.table(rows, self._dataset.kind)
            storage.write_bytes(storage.join(out, attribution.FILE), table)
        text = card.text(self.spec, made, credits)
        storage.write_bytes(storage.join(out, "README.md"), text.encode())

    def _credited(self) -> pa.Table:
        """The columns licence, creator and source of what stays."""
        names = ("licence", "creator", "source")
        kept = np.concatenate([self._keep[split] for split in layout.SPLITS])
        columns = {}
        for name in names:
            values: list[str | None] = [None] * len(kept)
            if name in self._texts:
                values = [t for split in layout.SPLITS for t in self._dataset.texts(split, name)]
            columns[name] = pa.array(values, pa.string())
        return pa.table(columns).filter(pa.array(kept))

    def _rows(self, split: str) -> Iterator[tuple[pa.Table, npt.NDArray[np.generic]]]:
        """The rows that stay, and their items, a block at a time."""
        columns = (*self._dataset.stored, "id", *self._texts)
        for block in self._dataset.blocks(split):
            rows = np.flatnonzero(self._keep[split][block.start : block.start + block.rows])
            if len(rows):
                table = read_block(block, columns, rows)
                yield table, self._dataset.decode(table)[0]

    def _notes(self, table: pa.Table) -> Iterator[bytes | None]:
        columns = [table.column(name).to_pylist() for name in self._texts]
        if not columns:
            return (None for _ in range(len(table)))
        rows = (dict(zip(self._texts, row, strict=True)) for row in zip(*columns, strict=True))
        return (Notes(**row).digest() for row in rows)

    def _statistics(self, totals: list[int]) -> Json:
        *others, _ = self._dataset.item.shape
        count = self.counts["train"] * math.prod(others)
        return measures.statistics(totals, count, self._dataset.kind.full_scale)

    def _digest(self, lines: list[tuple[str, bytes]]) -> str:
        """In the order of ids, which is that of `aigc data prepare` where the source had no splits
        of its own."""
        identity = self._dataset.kind.identity(self.spec)
        digest = measures.begun_digest(self._dataset.labels, identity)
        for _, row in sorted(lines):
            digest.update(row)
        return digest.hexdigest()

    def _write_duplicates(self, out: str, gone: Collection[str]) -> None:
        data = storage.read_if_there(storage.join(self._dataset.uri, "duplicates.parquet"))
        if data is None:
            return
        table, names = pq.read_table(io.BytesIO(data)), pa.array(sorted(gone), pa.string())
        named = [pc.is_in(table.column(name), value_set=names) for name in ("dropped", "kept")]
        card.write_table(
            storage.join(out, "duplicates.parquet"), table.filter(pc.invert(pc.or_(*named)))
        )

    def _preview(self) -> bytes:
        """Ten training items a class, in stored order; of many classes the first fifty."""
        kind, item = self._dataset.kind, self._dataset.item
        shown = self._dataset.labels[:_PREVIEW_CLASSES]
        rows = max(1, len(shown))
        each = _PER_CLASS if shown else _PER_CLASS**2
        sheet = np.empty((rows, each, *item.shape), item.dtype)
        sheet[...] = kind.blank
        places = [0] * rows
        for table, items in self._rows("train"):
            for label, one in zip(table.column("label").to_pylist(), items, strict=True):
                row = label if shown else 0
                if row < rows and places[row] < each:
                    sheet[row, places[row]] = one
                    places[row] += 1
            if min(places) == each:
                break
        return kind.sheet(sheet.reshape(-1, *item.shape), _PER_CLASS, list(shown) or None)


def _added(totals: list[int], items: npt.NDArray[np.generic]) -> list[int]:
    """Per channel the sums of values, then of squares, exact."""
    wide = items.reshape(-1, items.shape[-1]).astype(np.int64)
    sums = [int(v) for v in wide.sum(axis=0)] + [int(v) for v in np.square(wide).sum(axis=0)]
    return [a + b for a, b in zip(totals, sums, strict=True)] if totals else sums
