"""An index of published items on one machine, memory-mapped: 10⁸ items in some 25 GB of files.

Found are items by id, by a watermark's payload (the first bits of the hash that ids are sorted by),
by the SHA-256 of their file, and by perceptual hash. For the last, each hash is cut into sixteen
bands of 16 bits. Hashes that agree in a band are compared in full, and colours as well. Two that
differ in fewer than sixteen bits agree in a band for sure, in 24 bits in 98 cases of 100. Where
that finds nothing, bands in which one bit differs count too: then 24 bits are found for sure as far
as anybody can measure, 32 in all but four cases of 10,000.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.errors import DamagedError, StorageError
from aigc.provenance.looks import (
    BITS,
    COLOURS,
    WORDS,
    Hashes,
    PerceptualHashes,
    bands,
    colour_distances,
    distances,
)

FORMAT = 1
BANDS, KEYS = BITS // 16, 2**16
ID_KEY_BITS = 63
MOST_COMPARED = 400_000
"""Hashes that one search compares. Bands are searched from the least crowded one on."""
_HEAD = "index.json"
_ONE_BIT = np.uint16(1) << np.arange(16, dtype=np.uint16)

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class IndexedSet:
    """A content set in an index: its items are rows `first` to `first + items - 1`."""

    uri: str
    first: int
    items: int
    model: str
    model_digest: str
    data_digest: str = ""
    created: str = ""


@dataclass(frozen=True)
class IndexedItem:
    """An item of an index; found by its looks it has `distance` in bits and `colour_distance`."""

    id: str
    sha256: str
    of: IndexedSet
    distance: int | None = None
    colour_distance: float | None = None


class TraceIndex:
    """Reads an index. It is safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises StorageError where there is none, DamagedError where files are missing."""
        self.folder = folder
        head = _head(folder)
        try:
            self.sets = tuple(IndexedSet(**one) for one in head["sets"])
            self.items: int = head["items"]
            self._ids = _mapped(folder / "ids.bin", np.uint8)
            self._id_ends: U64 = _mapped(folder / "id_ends.bin", np.uint64)
            self._id_keys: U64 = _mapped(folder / "id_keys.bin", np.uint64)
            self._id_rows: U32 = _mapped(folder / "id_rows.bin", np.uint32)
            self._sha256: Bytes = _mapped(folder / "sha256.bin", np.uint8).reshape(-1, 32)
            self._sha_rows: U32 = _mapped(folder / "sha_rows.bin", np.uint32)
            self._hashes: Hashes = _mapped(folder / "hashes.bin", np.uint64).reshape(-1, WORDS)
            self._colours: Bytes = _mapped(folder / "colours.bin", np.uint8).reshape(-1, COLOURS)
            self._starts: U64 = _mapped(folder / "band_starts.bin", np.uint64)
            self._band_rows: U32 = _mapped(folder / "band_rows.bin", np.uint32)
            self._starts = self._starts.reshape(BANDS, KEYS + 1)
            self._band_rows = self._band_rows.reshape(BANDS, -1)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{folder}: not a whole index: {error}; make it again") from None
        if not self._is_whole():
            raise DamagedError(f"{folder}: files do not fit {_HEAD}; make it again")

    def _is_whole(self) -> bool:
        """Whether all files have the lengths that belong together; no item is read."""
        columns = (self._id_ends, self._id_keys, self._id_rows, self._sha256, self._sha_rows)
        lengths = {len(column) for column in (*columns, self._hashes, self._colours)}
        named = int(self._id_ends[-1]) if len(self._id_ends) else 0
        ends = {int(end) for end in self._starts[:, -1]}
        return (
            lengths == {self.items}
            and sum(one.items for one in self.sets) == self.items
            and named == len(self._ids)
            and ends == {self._band_rows.shape[1]}
        )

    def by_id(self, item_id: str) -> list[IndexedItem]:
        """Items of that id; several where sets share it."""
        key = id_key(item_id)
        start, stop = np.searchsorted(self._id_keys, [key, key + np.uint64(1)])
        rows = (int(row) for row in self._id_rows[start : max(start + 1, stop)][:64])
        return [item for item in map(self._item, rows) if item.id == item_id]

    def by_watermark(self, payload: bytes, most: int = 8) -> list[IndexedItem]:
        """Items whose watermark carries `payload`, at most `most`. Few share one, see `payload`."""
        rest = ID_KEY_BITS - 8 * len(payload)
        first = int.from_bytes(payload, "big") << rest
        span = np.array([first, first + (1 << rest)], np.uint64)
        start, stop = np.searchsorted(self._id_keys, span)
        return [self._item(int(row)) for row in self._id_rows[start:stop][:most]]

    def by_sha256(self, digest: bytes) -> list[IndexedItem]:
        """Items whose file has that digest."""
        at = self._lower_bound(digest)
        found = []
        while at < self.items and self._sha256[self._sha_rows[at]].tobytes() == digest:
            found.append(self._item(int(self._sha_rows[at])))
            at += 1
        return found

    def alike(
        self, looks: PerceptualHashes, within: int, colours_within: float, most: int = 8
    ) -> list[IndexedItem]:
        """The nearest of the items that look like the one picture of `looks`: hashes differ in at
        most `within` bits, and colours by at most `colours_within` (root mean square, 0..255)."""
        keys = bands(looks.bits)[0]
        for near in (keys[:, None], keys[:, None] ^ _ONE_BIT):
            rows = self._candidates(near)
            apart = distances(looks.bits[0], self._hashes[rows])
            rows, apart = rows[apart <= within], apart[apart <= within]
            hues = colour_distances(looks.colours[0], self._colours[rows])
            order = np.lexsort((hues, apart))
            order = order[hues[order] <= colours_within][:most]
            if len(order):
                break
        return [
            self._item(int(rows[at]), int(apart[at]), round(float(hues[at]), 2)) for at in order
        ]

    def _candidates(self, keys: npt.NDArray[np.uint16]) -> U32:
        """Rows that have one of the `keys`, (16, n), in a band, sorted."""
        spans = []
        for band, own in enumerate(keys.tolist()):
            for key in own:
                start, stop = self._starts[band, key : key + 2].tolist()
                spans.append((stop - start, band, start, stop))
        parts: list[U32] = []
        compared = 0
        for count, band, start, stop in sorted(spans):
            compared += count
            if compared > MOST_COMPARED and parts:
                break
            parts.append(self._band_rows[band, start:stop][:MOST_COMPARED])
        return np.unique(np.concatenate(parts))

    def _lower_bound(self, digest: bytes) -> int:
        low, high = 0, self.items
        while low < high:
            middle = (low + high) // 2
            if self._sha256[self._sha_rows[middle]].tobytes() < digest:
                low = middle + 1
            else:
                high = middle
        return low

    def _item(
        self, row: int, distance: int | None = None, colour_distance: float | None = None
    ) -> IndexedItem:
        start = int(self._id_ends[row - 1]) if row else 0
        text = self._ids[start : int(self._id_ends[row])].tobytes().decode()
        firsts = [one.first for one in self.sets]
        of = self.sets[int(np.searchsorted(firsts, row, side="right")) - 1]
        digest = self._sha256[row].tobytes().hex()
        return IndexedItem(text, digest, of, distance, colour_distance)


def id_key(item_id: str) -> np.uint64:
    """What ids are sorted by: the first half of their hash, below 2⁶³."""
    digest = hashlib.blake2b(item_id.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little") >> (64 - ID_KEY_BITS))


def write_head(folder: Path, sets: tuple[IndexedSet, ...]) -> None:
    """The last file of an index: with it the index counts."""
    items = sum(one.items for one in sets)
    head = {"format": FORMAT, "items": items, "sets": [asdict(one) for one in sets]}
    (folder / _HEAD).write_text(json.dumps(head, indent=1), encoding="utf-8")


def _head(folder: Path) -> dict[str, Any]:
    try:
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror
        raise StorageError(
            f"{folder}: not a folder made by `aigc index` ({reason}); make one"
        ) from None
    except ValueError:
        raise DamagedError(f"{folder / _HEAD}: not JSON; make the index again") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DamagedError(f"{folder}: an index of another format; make it again")
    return head


def _mapped(path: Path, dtype: Any) -> Any:
    """Of a file that may be empty, which cannot be mapped."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r")


def each_band(hashes: Hashes) -> Iterator[npt.NDArray[np.uint16]]:
    """The keys of all rows in one band after the other."""
    keys = bands(hashes)
    for band in range(BANDS):
        yield np.ascontiguousarray(keys[:, band])
