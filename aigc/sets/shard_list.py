"""What a manifest says of the shards: a list in it, or files beside it once there are many.

manifest.json                          shards: [record, ...], up to a thousand
OUT/manifest-shards-00000-<hash>.jsonl a record a line; manifest.json names each with its SHA-256
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from aigc import storage
from aigc.errors import JobError
from aigc.types import Json, ShardRecord

INLINE = 1000
_LINES = 10_000
_START = "manifest-shards-"


def write(out: str, records: Iterable[ShardRecord]) -> Json:
    """The manifest's part on shards; where it says files, those are written."""
    found = list(records)
    if len(found) <= INLINE:
        return {"shards": [json.loads(record.to_json()) for record in found]}
    parts = [found[at : at + _LINES] for at in range(0, len(found), _LINES)]
    files = [_write_part(out, number, part) for number, part in enumerate(parts)]
    return {"shard_count": len(found), "shard_files": files}


def count(manifest: Json) -> int:
    return int(manifest.get("shard_count") or len(manifest["shards"]))


def read(out: str, manifest: Json) -> Iterator[ShardRecord]:
    """Every record the manifest of the set at `out` holds, in order.

    Raises:
        JobError: a file it names is not as it was written. StorageError: it is gone.
    """
    for entry in manifest.get("shards", []):
        yield ShardRecord.from_json(json.dumps(entry).encode())
    for part in manifest.get("shard_files", []):
        uri = storage.join(out, part["file"])
        data = storage.read_bytes(uri)
        if hashlib.sha256(data).hexdigest() != part["sha256"]:
            raise JobError(f"{uri}: SHA-256 differs from the manifest's; it was changed or damaged")
        yield from map(ShardRecord.from_json, data.splitlines())


def remove_others(out: str, manifest: Json) -> None:
    """Delete lists that an earlier manifest named, before the set grew."""
    named = {part["file"] for part in manifest.get("shard_files", [])}
    for name in storage.names(out, _START):
        if name not in named:
            storage.delete(storage.join(out, name))


def _write_part(out: str, number: int, records: Sequence[ShardRecord]) -> Json:
    data = b"".join(record.to_json() + b"\n" for record in records)
    sha256 = hashlib.sha256(data).hexdigest()
    file = f"{_START}{number:05d}-{sha256[:16]}.jsonl"
    storage.write_bytes(storage.join(out, file), data)
    return {"file": file, "sha256": sha256, "shards": len(records)}
