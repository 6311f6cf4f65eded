"""Training batches: endless, sharded by rank, and the same again whenever a step is asked for.

Each epoch puts all rows into a new random order. Global batches run through the epochs end to end,
and each rank takes its equal stretch of every global batch, so a global batch is the same rows in
the same order for any number of ranks. The order of an epoch comes from shuffling blocks (row
groups), then rows inside windows of blocks; a data set that fits into memory is one window.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aigc.data.dataset import Dataset, RowGroup, read_block
from aigc.errors import DataError
from aigc.modalities.base import Items
from aigc.types import Labels

Ints = npt.NDArray[np.int64]
_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Piece:
    """A rank's part of one window, in the order to be seen."""

    window: list[RowGroup]
    rows: Ints
    """Positions in the window's blocks laid end to end."""


class Loader:
    """Batches of one rank; a pure function of (data set, seed, step, rank, world, memory_bytes).

    The global batch has `world * batch_items` rows. A split whose decoded items fit into
    `memory_bytes` is decoded once and kept; a larger one is streamed in windows of a quarter of
    that, the next one read while the present one is used. Then each rank reads the encoded bytes of
    every window and keeps and decodes its own rows only.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        batch_items: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        memory_bytes: int = _MEMORY_BYTES,
        class_balance: float = 0.0,
    ) -> None:
        """`class_balance`: 0 shows each row once an epoch; 1 repeats the rows of smaller classes
        until all classes are seen about equally often. In between, class c with n_c rows is seen in
        proportion to n_c^(1 - class_balance), to the nearest whole number of repeats."""
        self._dataset = dataset
        self._split = split
        self._batch = batch_items
        self._seed = seed
        self._rank = rank
        self._world = world
        self._blocks = dataset.blocks(split)
        count = dataset.counts[split]
        if count < world:
            raise DataError(
                f"{dataset.uri}: {count} {split} {dataset.kind.noun}s cannot feed {world} workers"
            )
        self._repeats = _repeats(dataset, split, class_balance)
        self._total = count if self._repeats is None else int(self._repeats.sum())
        self._in_memory = count * dataset.item_bytes <= memory_bytes
        self._window_bytes = max(1, memory_bytes // 4)

    @property
    def in_memory(self) -> bool:
        return self._in_memory

    def batches(self, first_step: int = 0) -> Iterator[tuple[Items, Labels]]:
        """From step `first_step` on, for ever: (batch_items, ...) items and their labels."""
        return self._remembered(first_step) if self._in_memory else self._streamed(first_step)

    def captioned(self, first_step: int = 0) -> Iterator[tuple[Items, Labels, list[str | None]]]:
        """The batches of `batches`, each with the captions of its items, None where there is none.

        Raises:
            DataError: the data set has no captions.
        """
        self._dataset.require("caption")
        if not self._in_memory:
            return self._streamed_captions(first_step)
        rows = self._batch_rows(first_step)
        return ((*self._pick(at), self._captions[at].tolist()) for at in rows)

    def epoch_rows(self, epoch: int) -> Ints:
        """Rows of the split this rank sees in an epoch, in order."""
        pieces = [self._absolute(piece) for piece in self._epoch(epoch, 0)]
        return np.concatenate(pieces)

    def _remembered(self, first_step: int) -> Iterator[tuple[Items, Labels]]:
        yield from map(self._pick, self._batch_rows(first_step))

    def _pick(self, rows: Ints) -> tuple[Items, Labels]:
        items, labels = self._everything
        return items[rows], labels[rows]

    def _batch_rows(self, first_step: int) -> Iterator[Ints]:
        return self._batched(self._absolute(piece) for piece in self._pieces(first_step))

    def _streamed(self, first_step: int) -> Iterator[tuple[Items, Labels]]:
        yield from map(self._dataset.decode, self._tables(first_step, self._dataset.stored))

    def _streamed_captions(
        self, first_step: int
    ) -> Iterator[tuple[Items, Labels, list[str | None]]]:
        for table in self._tables(first_step, (*self._dataset.stored, "caption")):
            yield (*self._dataset.decode(table), table.column("caption").to_pylist())

    def _tables(self, first_step: int, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """A batch of rows at a time, still encoded."""
        waiting: list[pa.Table] = []
        count = 0
        for table in self._read_ahead(self._pieces(first_step), columns):
            at = 0
            while count + len(table) - at >= self._batch:
                take = self._batch - count
                waiting.append(table.slice(at, take))
                yield pa.concat_tables(waiting)
                waiting, count, at = [], 0, at + take
            if at < len(table):
                waiting.append(table.slice(at))
                count += len(table) - at

    @functools.cached_property
    def _everything(self) -> tuple[Items, Labels]:
        return self._dataset.read(self._split)

    @functools.cached_property
    def _captions(self) -> npt.NDArray[np.object_]:
        return np.array(self._dataset.captions(self._split), dtype=object)

    def _batched(self, stretches: Iterator[Ints]) -> Iterator[Ints]:
        rest = np.empty(0, np.int64)
        for stretch in stretches:
            rest = np.concatenate([rest, stretch])
            whole = len(rest) - len(rest) % self._batch
            for start in range(0, whole, self._batch):
                yield rest[start : start + self._batch]
            rest = rest[whole:]

    def _pieces(self, first_step: int) -> Iterator[Piece]:
        epoch, skip = divmod(first_step * self._batch * self._world, self._total)
        while True:
            yield from self._epoch(epoch, skip)
            epoch, skip = epoch + 1, 0

    def _epoch(self, epoch: int, skip: int) -> Iterator[Piece]:
        """The rank's rows of an epoch, window by window, without those in its first `skip`."""
        start = 0
        for number, window in enumerate(self._windows(epoch)):
            shown = self._shown(window)
            rows = len(shown)
            places = np.arange(max(0, skip - start), rows)
            batch_parts = (epoch * self._total + start + places) // self._batch
            mine = places[batch_parts % self._world == self._rank]
            if len(mine):
                order = np.random.default_rng([self._seed, epoch, number + 1]).permutation(rows)
                yield Piece(window, shown[order[mine]])
            start += rows

    def _shown(self, window: list[RowGroup]) -> Ints:
        """Positions in the window's blocks laid end to end, each as often as an epoch shows it."""
        positions = np.arange(sum(block.rows for block in window))
        if self._repeats is None:
            return positions
        parts = [self._repeats[block.start : block.start + block.rows] for block in window]
        repeated: Ints = np.repeat(positions, np.concatenate(parts))
        return repeated

    def _windows(self, epoch: int) -> list[list[RowGroup]]:
        if self._in_memory:
            return [list(self._blocks)]
        windows: list[list[RowGroup]] = [[]]
        size_bytes = 0
        for number in np.random.default_rng([self._seed, epoch, 0]).permutation(len(self._blocks)):
            block = self._blocks[number]
            if windows[-1] and size_bytes + block.size_bytes > self._limit:
                windows.append([])
                size_bytes = 0
            windows[-1].append(block)
            size_bytes += block.size_bytes
        return windows

    @functools.cached_property
    def _limit(self) -> int:
        """Encoded bytes of a window: at most a quarter of the split, so reading runs ahead."""
        return min(self._window_bytes, sum(block.size_bytes for block in self._blocks) // 4)

    def _absolute(self, piece: Piece) -> Ints:
        rows = [np.arange(block.start, block.start + block.rows) for block in piece.window]
        picked: Ints = np.concatenate(rows)[piece.rows]
        return picked

    def _read(self, piece: Piece, columns: tuple[str, ...]) -> pa.Table:
        """The piece's rows, still encoded; blocks without any are not read."""
        parts, positions, start = [], [], 0
        for block in piece.window:
            inside = np.flatnonzero((piece.rows >= start) & (piece.rows < start + block.rows))
            if len(inside):
                parts.append(read_block(block, columns, piece.rows[inside] - start))
                positions.append(inside)
            start += block.rows
        back = np.argsort(np.concatenate(positions), kind="stable")
        return pa.concat_tables(parts).take(pa.array(back))

    def _read_ahead(self, pieces: Iterator[Piece], columns: tuple[str, ...]) -> Iterator[pa.Table]:
        with ThreadPoolExecutor(1) as pool:
            coming: Future[pa.Table] = pool.submit(self._read, next(pieces), columns)
            for piece in pieces:
                ready, coming = coming.result(), pool.submit(self._read, piece, columns)
                yield ready


def _repeats(dataset: Dataset, split: str, class_balance: float) -> Ints | None:
    """How often an epoch shows each row of a split, at least once; None where all are shown once.

    The largest class is shown once, and class c as often as (n_max / n_c)^class_balance rounds to.
    """
    if not class_balance or not dataset.labels:
        return None
    blocks = dataset.blocks(split)
    labels = np.concatenate([read_block(block, ("label",)).column("label") for block in blocks])
    counts = np.bincount(labels, minlength=len(dataset.labels)).clip(1)
    each = np.rint((counts.max() / counts) ** class_balance).astype(np.int64)
    rows: Ints = each[labels]
    return rows
