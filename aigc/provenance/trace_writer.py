"""Makes an index of published items, see `trace_index`. Items are appended, then sorted once.

Sorting holds one column in memory: some 3 GB for 10⁸ items.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from aigc.errors import StorageError
from aigc.provenance.looks import WORDS, PerceptualHashes
from aigc.provenance.trace_index import (
    BANDS,
    KEYS,
    IndexedSet,
    each_band,
    id_key,
    write_head,
)

MOST_ITEMS = 2**32 - 1


class TraceWriter:
    """A context: on leaving it the index is whole, or gone if something was raised."""

    def __init__(self, folder: Path) -> None:
        """Raises StorageError where the folder exists or cannot be made."""
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            reason = "exists; choose another" if error.errno == errno.EEXIST else error.strerror
            raise StorageError(f"{folder}: {reason}") from None
        self._folder = folder
        self._names = ("ids", "id_ends", "id_keys_raw", "sha256", "hashes", "colours", "telling")
        self._files = {name: (folder / f"{name}.bin").open("wb") for name in self._names}
        self._sets: list[IndexedSet] = []
        self._items = self._id_bytes = 0

    def begin(self, one: IndexedSet) -> None:
        """Items that follow are of this set; its `first` and `items` are counted here."""
        self._sets.append(replace(one, first=self._items, items=0))

    def add(self, ids: Sequence[str], digests: Sequence[bytes], found: PerceptualHashes) -> None:
        """N items: ids, SHA-256 of their files, and hashes."""
        if self._items + len(ids) > MOST_ITEMS:
            raise StorageError(f"an index holds {MOST_ITEMS:,} items; make several")
        texts = [one.encode() for one in ids]
        ends = np.cumsum([len(text) for text in texts], dtype=np.uint64)
        keys = np.array([id_key(one) for one in ids], np.uint64)
        columns: dict[str, bytes] = {
            "ids": b"".join(texts),
            "id_ends": (ends + np.uint64(self._id_bytes)).tobytes(),
            "id_keys_raw": keys.tobytes(),
            "sha256": b"".join(digests),
            "hashes": found.bits.tobytes(),
            "colours": found.colours.tobytes(),
            "telling": found.is_telling.tobytes(),
        }
        for name, data in columns.items():
            self._files[name].write(data)
        self._id_bytes += len(columns["ids"])
        self._items += len(ids)
        last = self._sets[-1]
        self._sets[-1] = replace(last, items=last.items + len(ids))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        if kind is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        self._sort_ids()
        self._sort_digests()
        self._sort_bands()
        write_head(self._folder, tuple(one for one in self._sets if one.items))

    def _sort_ids(self) -> None:
        keys = np.fromfile(self._folder / "id_keys_raw.bin", np.uint64)
        order = np.argsort(keys, kind="stable")
        keys[order].tofile(self._folder / "id_keys.bin")
        order.astype(np.uint32).tofile(self._folder / "id_rows.bin")
        (self._folder / "id_keys_raw.bin").unlink()

    def _sort_digests(self) -> None:
        whole = np.fromfile(self._folder / "sha256.bin", "S32")
        begins = whole.view(">u8").reshape(-1, 4)[:, 0].astype(np.uint64)
        order = np.argsort(begins, kind="stable")
        _sort_ties(order, begins[order], whole)
        order.astype(np.uint32).tofile(self._folder / "sha_rows.bin")

    def _sort_bands(self) -> None:
        hashes = np.fromfile(self._folder / "hashes.bin", np.uint64).reshape(-1, WORDS)
        telling = np.flatnonzero(np.fromfile(self._folder / "telling.bin", np.bool_))
        starts = np.empty((BANDS, KEYS + 1), np.uint64)
        with (self._folder / "band_rows.bin").open("wb") as file:
            for band, keys in enumerate(each_band(hashes)):
                own = keys[telling]
                order = np.argsort(own, kind="stable")
                file.write(telling[order].astype(np.uint32).tobytes())
                counts = np.bincount(own, minlength=KEYS)
                starts[band] = np.concatenate([[0], np.cumsum(counts)])
        starts.tofile(self._folder / "band_starts.bin")
        (self._folder / "telling.bin").unlink()


def _sort_ties(
    order: npt.NDArray[np.int64], begins: npt.NDArray[np.uint64], whole: npt.NDArray[np.bytes_]
) -> None:
    """In place, by all 32 bytes where the first eight are equal. Equal files stay in row order."""
    rows = whole.view(np.uint8).reshape(-1, 32)
    for at in np.flatnonzero(begins[1:] == begins[:-1]).tolist():
        pair = order[at : at + 2]
        if rows[pair[0]].tobytes() > rows[pair[1]].tobytes():
            order[at : at + 2] = pair[::-1]
