"""The forms a content set can have. Each shard is one file; `files` puts the items beside it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from aigc.modalities import Delivery
from aigc.output import files, parquet, webdataset

Writer = Literal["parquet", "webdataset", "files"]

SUFFIX = {"parquet": ".parquet", "webdataset": ".tar", "files": ".parquet"}
"""What the name of a shard's file ends in."""


class BatchWriter(Protocol):
    def write(self, batch: pa.RecordBatch) -> None: ...


def open_writer(
    writer: Writer, delivery: Delivery, path: Path, schema: pa.Schema, out: str, folder: str = ""
) -> AbstractContextManager[BatchWriter]:
    """A writer of `schema`'s rows into the local file `path`, complete once the block is left.

    The same rows give the same bytes. `out` is the set's place, where `files` puts its items,
    and `folder` the shard's in a partitioned one.
    """
    match writer:
        case "parquet":
            return parquet.open_writer(path, schema)
        case "webdataset":
            return webdataset.open_writer(path, delivery)
        case "files":
            return files.open_writer(path, schema, out, delivery.folder, folder)
