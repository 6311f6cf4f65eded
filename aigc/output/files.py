"""Rows of one shard as single files, with an index: Parquet that names them.

OUT/images/<label or all>/000004/000000042195.png, ten thousand indices a folder; of a partitioned
set OUT/images/campaign=spring/<label>/…, as under data/. Names follow from the plan alone and each
file appears whole or not at all, so an attempt that is made twice, or at the same time, leaves the
same files behind. The index has every other column, and `file` (below OUT), `size_bytes` and
`sha256` of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from aigc import storage
from aigc.conditions.label import CLASS_NAME
from aigc.errors import SpecError, StorageError
from aigc.job.briefs import Briefs
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.output import items, parquet
from aigc.threads import each

FILE = "file"
_INDEX = [(FILE, pa.string()), ("size_bytes", pa.int64()), ("sha256", pa.string())]
_FOLDER_ITEMS = 10_000
_MOST_NAME_BYTES = 255
"""Of one folder, on every common disk."""
_MOST_KEY_BYTES = 1000
"""Of a whole name; S3 takes 1024, and the suffix needs some."""


class FilesWriter:
    """Writes each row's item, and what it is to the index."""

    def __init__(self, index: parquet.ParquetWriter, schema: pa.Schema, out: str, top: str) -> None:
        self._index, self._schema, self._out, self._top = index, schema, out, top

    def write(self, batch: pa.RecordBatch) -> None:
        files = items.files(batch)
        names = _names(batch, self._top)
        pairs = list(zip(names, files, strict=True))
        each(lambda pair: self._put(*pair), pairs, _threads(self._out))
        columns = [batch.column(name) for name in self._schema.names[: -len(_INDEX)]]
        columns += [
            pa.array(names),
            pa.array([len(file) for file in files], pa.int64()),
            pa.array([hashlib.sha256(file).hexdigest() for file in files]),
        ]
        self._index.write(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def _put(self, name: str, data: bytes) -> None:
        storage.write_bytes(storage.join(self._out, name), data, synced=False)


@contextmanager
def open_writer(
    path: Path, schema: pa.Schema, out: str, top: str, folder: str = ""
) -> Iterator[FilesWriter]:
    """Items go below `out` at once, into `folder` of its folder `top`; the index, the local file
    `path`, is complete once the block is left, and no item that it names is lost then."""
    index_schema = _index_schema(schema)
    with parquet.open_writer(path, index_schema) as index:
        yield FilesWriter(index, index_schema, out, storage.join(top, folder) if folder else top)
    storage.sync(out)


def folders() -> set[str]:
    """Where items of any modality lie in a set of single files: `images`."""
    return {modality.delivery.folder for modality in MODALITIES.values()}


def require_names(out: str, job: Job, briefs: Briefs | None) -> None:
    """Raises SpecError when an item of `job` would have a name that no disk or store takes."""
    if job.writer != "files" or not job.names:
        return
    used = (job.pattern,) if briefs is None else briefs.asked_patterns
    longest = max((len(found.folder) for found in job.ranges), default=0)
    around = storage.join(out, job.delivery.folder, "000000", "0" * 12)
    most = min(_MOST_NAME_BYTES, _MOST_KEY_BYTES - longest - len(around.encode()))
    for label in (job.names[at] for at in sorted({*np.concatenate(used).tolist()})):
        size = len(_folder(label).encode())
        if size > most:
            raise SpecError(
                f"writer = files: label {label[:30]!r}… has {size:,} bytes as the name of a "
                f"folder, at most {most:,} can be; use writer parquet or webdataset, or leave it "
                "out"
            )


def read_files(out: str, names: Sequence[str]) -> list[bytes]:
    """The items' files that an index names.

    Raises:
        StorageError: one is not there, or the index names a file outside the set.
    """
    for name in names:
        if name.split("/")[0] not in folders() or ".." in name.split("/"):
            raise StorageError(f"{out}: its index names a file outside the set, {name[:80]!r}")
    uris = [storage.join(out, name) for name in names]
    return each(storage.read_bytes, uris, _threads(out))


def _threads(out: str) -> int:
    """Many where each file has to be waited for."""
    return 16 if storage.is_s3(out) else 1


def _index_schema(schema: pa.Schema) -> pa.Schema:
    held = items.names(schema)
    columns = [field for field in schema if field.name not in held]
    metadata = {key.decode(): value for key, value in (schema.metadata or {}).items()}
    if "huggingface" in metadata:
        told = json.loads(metadata["huggingface"])
        for name in held:
            told["info"]["features"].pop(name, None)
        metadata["huggingface"] = json.dumps(told)
    return pa.schema([*columns, *_INDEX], metadata=metadata)


def _names(batch: pa.RecordBatch, top: str) -> list[str]:
    indices = batch.column("index").to_pylist()
    labels = batch.column(CLASS_NAME).to_pylist()
    return [
        f"{top}/{_folder(label)}/{index // _FOLDER_ITEMS:06d}/{index:012d}{suffix}"
        for index, label, suffix in zip(indices, labels, items.suffixes(batch), strict=True)
    ]


def _folder(label: str | None) -> str:
    """A label as the name of a folder, whatever is in it."""
    if label is None:
        return "all"
    name = quote(label, safe=" ,;()+&'=@!")
    return name.replace(".", "%2E") if name.startswith(".") else name
