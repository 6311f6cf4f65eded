"""The samples of a SoundFont (SF2), as the drum kits in it use them.

After the SoundFont Technical Specification 2.04: a RIFF file whose `smpl` chunk holds all samples
one after the other, 16 bit, and whose tables name them (`shdr`) and say which instrument plays them
(`igen`), and which preset plays the instruments (`pgen`) on which keys.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from aigc.errors import DataError
from aigc.modalities.audio import wav

_PERCUSSION_BANK = 128
_KEY_RANGE, _INSTRUMENT, _SAMPLE = 43, 41, 53
"""Generators (8.1.2)."""
_ALL_KEYS = 0x7F00
_RIGHT, _LEFT = 2, 4
_SIDE = re.compile(r" ?\([LR]?\)?$")
_TABLES = {
    b"phdr": struct.Struct("<20sHHHIII"),
    b"pbag": struct.Struct("<HH"),
    b"pgen": struct.Struct("<HH"),
    b"inst": struct.Struct("<20sH"),
    b"ibag": struct.Struct("<HH"),
    b"igen": struct.Struct("<HH"),
    b"shdr": struct.Struct("<20sIIIIIBbHH"),
}


@dataclass(frozen=True)
class KitSample:
    """One sample that a drum kit plays; `data` is a WAV file of it."""

    name: str
    kit: str
    key: int
    """The lowest MIDI key that plays it."""
    data: bytes


class SoundFont:
    """The tables of the file at `path`, called `name` in messages.

    Raises:
        DataError: not a SoundFont, or damaged.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        try:
            with path.open("rb") as file:
                chunks = dict(_chunks(file))
                self._samples_at = chunks[b"smpl"][0]
                self._tables = {key: _rows(file, *chunks[key], _TABLES[key]) for key in _TABLES}
        except (KeyError, struct.error):
            raise DataError(f"{name}: not a SoundFont, or damaged") from None

    def kit_samples(self) -> Iterator[KitSample]:
        """Each sample of the drum kits once; the two sides of a stereo sample together.

        Raises:
            DataError: a sample lies outside the file.
        """
        headers, done = self._tables[b"shdr"], set()
        with self._path.open("rb") as file:
            for number, (kit, key) in sorted(self._used().items()):
                if number in done:
                    continue
                sides = self._sides(number)
                done.update(sides)
                data = self._wav(file, [headers[side] for side in sides])
                yield KitSample(_name(headers[number]), kit, key, data)

    def _sides(self, number: int) -> list[int]:
        """A sample alone, or left and right where it and the next are the sides of one: not all
        files fill in the field that says so."""
        headers = self._tables[b"shdr"]
        if number + 1 < len(headers):
            this, following = headers[number], headers[number + 1]
            if (this[-1], following[-1]) == (_LEFT, _RIGHT) and _name(this) == _name(following):
                return [number, number + 1]
        return [number]

    def _used(self) -> dict[int, tuple[str, int]]:
        """Of each sample of the percussion bank the first kit and key that play it."""
        found: dict[int, tuple[str, int]] = {}
        presets = self._tables[b"phdr"]
        for preset, following in itertools.pairwise(presets):
            if preset[2] != _PERCUSSION_BANK:
                continue
            for zone in self._zones(b"pbag", b"pgen", preset[3], following[3]):
                if _INSTRUMENT in zone:
                    for sample, key in self._keys(zone):
                        found.setdefault(sample, (_text(preset[0]), key))
        return found

    def _keys(self, zone: dict[int, int]) -> Iterator[tuple[int, int]]:
        """(sample, lowest key) of the instrument of a preset's zone."""
        instruments = self._tables[b"inst"]
        number = zone[_INSTRUMENT]
        low, high = _key_range(zone)
        first, last = instruments[number][1], instruments[number + 1][1]
        for inner in self._zones(b"ibag", b"igen", first, last):
            if _SAMPLE in inner:
                inner_low, inner_high = _key_range(inner)
                if max(low, inner_low) <= min(high, inner_high):
                    yield inner[_SAMPLE], max(low, inner_low)

    def _zones(
        self, bags: bytes, generators: bytes, first: int, last: int
    ) -> Iterator[dict[int, int]]:
        for number in range(first, last):
            start, stop = self._tables[bags][number][0], self._tables[bags][number + 1][0]
            yield dict(self._tables[generators][start:stop])

    def _wav(self, file: IO[bytes], headers: list[tuple[Any, ...]]) -> bytes:
        """The samples of one or two headers as the channels of a file."""
        count = min(stop - start for _, start, stop, *_ in headers)
        channels = []
        for _, start, *_ in headers:
            file.seek(self._samples_at + 2 * start)
            data = file.read(2 * max(0, count))
            if not data or len(data) != 2 * count:
                raise DataError(f"{self._name}: damaged, a sample lies outside the file")
            channels.append(np.frombuffer(data, "<i2"))
        return wav.encode(np.stack(channels, axis=1).astype(np.int16), headers[0][5])


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Name -> (place, size) of all chunks, those inside of lists too."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise KeyError("RIFF")
    while len(header := file.read(8)) == 8:
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"LIST":
            file.seek(4, 1)
            continue
        yield name, (file.tell(), size)
        file.seek(size + size % 2, 1)


def _rows(file: IO[bytes], start: int, size: int, layout: struct.Struct) -> list[tuple[Any, ...]]:
    file.seek(start)
    return list(layout.iter_unpack(file.read(size)))


def _key_range(zone: dict[int, int]) -> tuple[int, int]:
    amount = zone.get(_KEY_RANGE, _ALL_KEYS)
    return amount & 0xFF, amount >> 8


def _text(title: bytes) -> str:
    return title.split(b"\0")[0].decode("latin-1")


def _name(header: tuple[Any, ...]) -> str:
    """Without the side that it is of: Std Kick 7(L)."""
    return _SIDE.sub("", _text(header[0])).strip()
