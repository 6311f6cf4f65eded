"""Small indexes for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aigc.modalities.image.perceptual import hashes
from aigc.provenance.trace_index import IndexedSet, TraceIndex
from aigc.provenance.trace_writer import TraceWriter
from aigc.types import UInt8Images

FIRST = IndexedSet("/sets/a", 0, 0, "shoes@3", "ab" * 32, "cd" * 32, "2026-11-29T08:00:00Z")
SECOND = IndexedSet("/sets/b", 0, 0, "hats@1", "ef" * 32)


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{at}" for at in range(count)]


def two_sets(folder: Path, one: UInt8Images, other: UInt8Images, files: list[bytes]) -> TraceIndex:
    """Items `a-0` … and `b-0` …; `files` are those of both, in order."""
    digests = [hashlib.sha256(file).digest() for file in files]
    with TraceWriter(folder) as writer:
        writer.begin(FIRST)
        for start in range(0, len(one), 7):
            part = slice(start, start + 7)
            writer.add(ids("a", len(one))[part], digests[: len(one)][part], hashes(one[part]))
        writer.begin(SECOND)
        writer.add(ids("b", len(other)), digests[len(one) :], hashes(other))
    return TraceIndex(folder)
