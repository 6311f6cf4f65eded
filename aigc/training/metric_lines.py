"""The lines of OUT/metrics.jsonl: one file on a disk, parts of it on S3 while a run goes on.

S3 cannot append. There OUT/metrics/000001.jsonl and so on hold some hundred lines each, and what is
written again is the last part alone; OUT/metrics.jsonl holds all lines once the run is over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from aigc import storage
from aigc.types import Json

FILE, PARTS = "metrics.jsonl", "metrics"
PART_LINES = 200
_TAIL = 8


class MetricLines:
    """Lines with `step`, in the order they came; those of a resumed run go on up to `last_step`."""

    def __init__(self, out: str, last_step: int) -> None:
        self._out = out
        self._lines = [line for line in _read(out) if line["step"] <= last_step]
        self._written = 0
        """Lines from this one on are not stored yet, or have changed since."""

    def append(self, line: Json) -> None:
        """In place of a line of the same step and kind: what a resumed run has seen before."""
        for at, known in enumerate(self._lines[-_TAIL:], max(0, len(self._lines) - _TAIL)):
            if known["step"] == line["step"] and known.keys() == line.keys():
                self._lines[at] = line
                self._written = min(self._written, at)
                return
        self._lines.append(line)

    def count(self, kind: str) -> int:
        return sum(line.get("kind") == kind for line in self._lines)

    def flush(self) -> None:
        """Store every line; a file is replaced whole, never half."""
        if not storage.is_s3(self._out):
            self._write_all()
            return
        for part in range(self._written // PART_LINES, -(-len(self._lines) // PART_LINES)):
            lines = self._lines[part * PART_LINES : (part + 1) * PART_LINES]
            name = f"{part + 1:06d}.jsonl"
            storage.write_bytes(storage.join(self._out, PARTS, name), _text(lines))
        self._written = len(self._lines)

    def close(self) -> None:
        """All lines in one file."""
        self._write_all()
        if storage.is_s3(self._out):
            storage.delete_tree(storage.join(self._out, PARTS))

    def _write_all(self) -> None:
        storage.write_bytes(storage.join(self._out, FILE), _text(self._lines))


def _text(lines: Sequence[Json]) -> bytes:
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode()


def _read(out: str) -> list[Json]:
    """Parts are of a run that was killed, and hold more than the file does."""
    folder = storage.join(out, PARTS)
    uris = [storage.join(folder, name) for name in sorted(storage.names(folder))]
    data = b"".join(map(storage.read_bytes, uris))
    if not uris:
        data = storage.read_if_there(storage.join(out, FILE)) or b""
    return [json.loads(line) for line in data.decode().splitlines()]
