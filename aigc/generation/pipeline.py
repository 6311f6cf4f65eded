"""One shard from plan to commit. No Ray here: a scheduler only calls a unit somewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from aigc import storage
from aigc.generation.finishing import SignedFiles
from aigc.generation.item_generator import ItemGenerator
from aigc.generation.prefetch import prefetch
from aigc.job.keys import Ints
from aigc.job.plan import Job
from aigc.output import commit, schema
from aigc.output.generated import GeneratedBatch
from aigc.output.parquet import file_sha256
from aigc.output.writers import open_writer
from aigc.types import Finalizer, OnBytes, Shard, ShardRecord, Span

OnItems = Callable[[int], None]
"""Hears of each block: how many items were added."""

_BLOCK_BATCHES = 16
_BLOCK_BYTES = 32 * 2**20
"""Items held at a time, or a micro-batch as the model makes it. After other work a core needs some
passes to reach its speed (matrix units are clocked up, caches filled): many follow each other."""


@dataclass(frozen=True)
class OutputRows:
    """Consecutive finished items: as Arrow, their indices (N,), files and the codes (N,) of what
    they were asked to be, see `Job.codes`."""

    batch: pa.RecordBatch
    indices: Ints
    files: list[bytes]
    codes: Ints | None
    refused: Counter[str] = field(default_factory=Counter)
    """Candidates that gates refused on the way, by reason."""
    unstamped: int = 0
    """Items that were signed without the time stamp that the job asks for."""


@dataclass(frozen=True)
class MakeShard:
    """The unit of a job whose gates judge every image by itself."""

    shard: Shard

    def __str__(self) -> str:
        return str(self.shard)

    @property
    def items(self) -> int:
        return self.shard.items

    def __call__(
        self, item_generator: ItemGenerator, out: str, on_items: OnItems
    ) -> Finalizer[ShardRecord]:
        """Render, judge, encode and write; to close it is to commit it."""
        columns = schema.schema(item_generator.job, item_generator.briefs)
        indices = np.arange(self.shard.start, self.shard.stop)
        made = generated_batches(item_generator, indices, np.zeros_like(indices))
        rows = prefetch(
            functools.partial(rows_of, item_generator, columns), made, item_generator.encoders
        )
        return write_shard(item_generator, self.shard, out, rows, on_items)


def blocks(job: Job, indices: Ints, item_bytes: int | None = None) -> Iterator[Ints]:
    """Some thousand indices at a time; what is made does not depend on where they end. `item_bytes`
    is the size of an item in memory, where it is not that of the job's form."""
    if item_bytes is None:
        item_bytes = job.delivery.delivered(job.form, job.item_format).size_bytes
    batches = min(_BLOCK_BATCHES, max(1, _BLOCK_BYTES // (item_bytes * job.micro_batch)))
    step = batches * job.micro_batch
    return (indices[start : start + step] for start in range(0, len(indices), step))


def generated_batches(
    item_generator: ItemGenerator, indices: Ints, attempts: Ints
) -> Iterator[GeneratedBatch]:
    """Items for `indices` (N,), each from its number of `attempts` (N,) on, block by block."""
    for places in blocks(item_generator.job, np.arange(len(indices))):
        yield from item_generator.parts(item_generator.make(indices[places], attempts[places]))


def rows_of(
    item_generator: ItemGenerator, columns: pa.Schema, made: GeneratedBatch, *, signs: bool = True
) -> OutputRows:
    """`made` as rows; with `signs` False their files stay as they are before signing."""
    ids = item_generator.ids(made)
    signed = SignedFiles(item_generator.files(made, ids))
    if signs:
        signed = item_generator.signed(signed.files, made.indices, ids)
    batch = schema.batch(
        item_generator.job,
        columns,
        made,
        ids,
        signed.files,
        item_generator.briefs,
        item_generator.latents(made),
    )
    codes = item_generator.job.codes(made.keys)
    return OutputRows(batch, made.indices, signed.files, codes, made.refused, signed.unstamped)


def write_shard(
    item_generator: ItemGenerator,
    shard: Shard,
    out: str,
    parts: Iterator[OutputRows],
    on_items: OnItems,
    earlier: tuple[Span, ...] = (),
) -> Finalizer[ShardRecord]:
    """Write `parts`, which are the shard's items in order; `earlier` is when else there was work on
    them. To close it is to commit the file: it gives our record, or an earlier winner's.

    Until it is uploaded, whatever fails leaves nothing behind; a file whose record could not be
    written is an orphan, unless the record was and only the answer is lost.
    """
    job, attempt, started = item_generator.job, uuid.uuid4().hex[:8], time.time()
    file = commit.data_file(job, shard, attempt)
    target = storage.join(out, file)
    labels: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    content, beside_bytes, unstamped = 0, 0, 0
    with contextlib.ExitStack() as until_written:
        local = until_written.enter_context(storage.scratch_file(target))
        columns = schema.schema(job, item_generator.briefs)
        with open_writer(job.writer, job.delivery, local, columns, out, shard.folder) as writer:
            for rows in parts:
                writer.write(rows.batch)
                unsigned = job.as_unsigned(rows.files)
                content += schema.content_digest(rows.indices, unsigned, rows.codes)
                refused.update(rows.refused)
                unstamped += rows.unstamped
                labels.update(counted(job, rows.codes))
                if job.writer == "files":
                    beside_bytes += sum(map(len, rows.files))
                on_items(len(rows.files))
        record = ShardRecord(
            shard=shard.number,
            start=shard.start,
            stop=shard.stop,
            file=file,
            size_bytes=local.stat().st_size + beside_bytes,
            sha256=file_sha256(local),
            content=schema.format_digest(content),
            labels=dict(sorted(labels.items())),
            refused=dict(sorted(refused.items())),
            unstamped=unstamped,
            attempt=attempt,
            host=socket.gethostname(),
            started_at=round(started, 3),
            earlier=earlier,
        )
        until_uploaded = until_written.pop_all()

    def close(on_bytes: OnBytes) -> ShardRecord:
        with until_uploaded:
            storage.upload(local, target, on_bytes)
        ours = dataclasses.replace(record, wall_s=round(time.time() - started, 3))
        if commit.commit(out, ours):
            return ours
        storage.delete(target)
        return commit.read_record(out, shard.number)

    return Finalizer(close)


def counted(job: Job, codes: Ints | None) -> dict[str, int]:
    """Items by the name of what they were asked to be; none where that has no names."""
    if codes is None or not job.names:
        return {}
    counts = np.bincount(codes, minlength=len(job.names))
    return {job.names[at]: int(counts[at]) for at in counts.nonzero()[0]}
