"""How often `aigc trace` finds a changed picture among a million, and claims one that is foreign.

    python -m tests.provenance.trace_measure FOLDER --indexed 1000000 --queries 1000

Every item is a mixture of two of the folder's pictures, shifted, mirrored and tinted, at 128 x 128.
Queries are items without metadata, made 0.5 to 1.5 times as large, as JPEG of quality 80. Foreign
pictures are 500 that no item was mixed from, and 500 mixtures of them.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aigc.modalities.image import encode
from aigc.modalities.image.perceptual import hash_file, hashes
from aigc.provenance.trace import Tracer
from aigc.provenance.trace_index import IndexedSet, TraceIndex
from aigc.provenance.trace_writer import TraceWriter
from aigc.types import UInt8Images
from tests.provenance.tampering import reencode
from tests.provenance.watermark.measure import pictures
from tests.saying import say

SIDE = 128
HELD_OUT = 500
_AT_ONCE = 1000


def mixture(parts: UInt8Images, at: int, salt: int) -> UInt8Images:
    """Item `at` of those that `salt` names: uint8 (SIDE, SIDE, 3)."""
    random = np.random.default_rng((salt, at))
    one, other = parts[random.integers(len(parts), size=2)]
    weight = random.uniform(0.3, 0.7)
    tint = random.uniform(0.7, 1.0, size=(2, 3)) * [[weight], [1 - weight]]
    moved = np.roll(other, random.integers(SIDE, size=2), (0, 1))
    mixed = one * tint[0].astype(np.float32) + moved * tint[1].astype(np.float32)
    return (mixed if random.random() < 0.5 else mixed[:, ::-1]).astype(np.uint8)


def changed(picture: UInt8Images, at: int) -> bytes:
    scale = np.random.default_rng(at).uniform(0.5, 1.5)
    return reencode(encode(picture[None], "png")[0], scale)


def index(folder: Path, parts: UInt8Images, count: int) -> TraceIndex:
    with TraceWriter(folder) as writer:
        writer.begin(IndexedSet("/set", 0, 0, "model@1", "ab" * 32, "cd" * 32, "2026-11-30"))
        for start in range(0, count, _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, count))
            shown = np.stack([mixture(parts, at, 0) for at in rows])
            digests = [hashlib.sha256(item.tobytes()).digest() for item in shown]
            writer.add([str(at) for at in rows], digests, hashes(shown))
    return TraceIndex(folder)


def traced(tracer: Tracer, files: Sequence[bytes]) -> Iterator[tuple[str | None, float]]:
    """The item that each is taken for, None where it is unknown, and the seconds it took."""
    for file in files:
        began = time.perf_counter()
        found = tracer.trace(file)
        yield found.evidence[0].item if found.is_found else None, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--indexed", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    asked = parser.parse_args()
    shown = np.stack([each[:SIDE, :SIDE] for each in pictures(asked.folder, SIDE)])
    foreign, parts = shown[:HELD_OUT], shown[HELD_OUT:]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        tracer = Tracer([index(Path(folder) / "index", parts, asked.indexed)], look=hash_file)
        took = time.process_time() - began
        say(f"{asked.indexed:,} mixtures of {len(parts):,} pictures indexed in {took:.0f} s")
        chosen = np.random.default_rng(1).choice(asked.indexed, asked.queries, replace=False)
        files = [changed(mixture(parts, int(at), 0), int(at)) for at in chosen]
        found = list(traced(tracer, files))
        right = sum(item == str(at) for (item, _), at in zip(found, chosen, strict=True))
        say(f"{right:,} of {len(found):,} right, {_times(found)}")
        mixed = [mixture(foreign, at, 1) for at in range(HELD_OUT)]
        files = [changed(each, at) for at, each in enumerate([*foreign, *mixed])]
        found = list(traced(tracer, files))
        claimed = sum(item is not None for item, _ in found)
        say(f"{claimed:,} of {len(found):,} foreign pictures claimed, {_times(found)}")


def _times(found: list[tuple[str | None, float]]) -> str:
    seconds = 1000 * np.array([each for _, each in found])
    return f"median {np.median(seconds):.1f} ms, at most {seconds.max():.1f} ms each"


if __name__ == "__main__":
    main()
