"""The files of a job's rounds below OUT/_rounds; `generation.rounds` says what they hold."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.errors import StorageError
from aigc.generation import duplicates
from aigc.generation.prefetch import prefetch
from aigc.job.keys import Ints
from aigc.types import Json

_READERS = 4  # shards whose signatures, 97 bytes an item, are read ahead


def folder(out: str, number: int) -> str:
    return storage.join(out, "_rounds", str(number))


def refused_uri(out: str, number: int) -> str:
    return storage.join(folder(out, number), "refused.npy")


def read_refused(out: str, number: int) -> Ints | None:
    """Orders (attempt * ATTEMPT + index) refused in a round, sorted; None before it is judged."""
    data = storage.read_if_there(refused_uri(out, number))
    if data is None:
        return None
    orders: Ints = np.load(io.BytesIO(data), allow_pickle=False)
    return orders


def write_refused(out: str, number: int, orders: Ints) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.sort(orders), allow_pickle=False)
    storage.write_bytes(refused_uri(out, number), buffer.getvalue())


def staged(out: str, number: int) -> set[int]:
    """Numbers of the shards whose candidates of a round are there."""
    keys = (entry.key for entry in storage.listing(folder(out, number)))
    return {int(key.removesuffix(".json")) for key in keys if key.endswith(".json")}


def signatures_until(out: str, number: int) -> Iterator[duplicates.Signatures]:
    """Every signature of the rounds up to `number`; those accepted before it are settled. Some
    shards are read ahead: from S3 one alone takes its time."""
    refused = {earlier: read_refused(out, earlier) for earlier in range(number)}
    asked = ((of, shard) for of in range(number + 1) for shard in sorted(staged(out, of)))

    def read(one: tuple[int, int]) -> duplicates.Signatures:
        record = require_record(out, *one)
        data = storage.read_bytes(storage.join(folder(out, one[0]), record["signatures"]))
        found, gone = duplicates.Signatures.from_bytes(data), refused.get(one[0])
        return found if gone is None else found.settle(gone)

    return prefetch(read, asked, _READERS)


def counts(out: str, number: int) -> tuple[int, Counter[str]]:
    """Candidates staged in a round, and why others were refused on the way."""
    rows, refused = 0, Counter[str]()
    for shard in staged(out, number):
        record = require_record(out, number, shard)
        rows += record["rows"]
        refused.update(record["refused"])
    return rows, refused


def record_uri(out: str, number: int, shard: int) -> str:
    return storage.join(folder(out, number), f"{shard:05d}.json")


def read_record(out: str, number: int, shard: int) -> Json | None:
    return storage.read_json(record_uri(out, number, shard))


def require_record(out: str, number: int, shard: int) -> Json:
    if (record := read_record(out, number, shard)) is None:
        raise StorageError(f"{record_uri(out, number, shard)}: deleted; run the job again")
    return record


def read_table(uri: str) -> pa.Table:
    try:
        with storage.open_input(uri) as source:
            return pq.read_table(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise StorageError(f"{uri}: not readable as Parquet: {error}") from None
