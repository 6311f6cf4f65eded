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
from aigc.generation.ahead import ahead
from aigc.generation.maker import Maker
from aigc.job.keys import Ints
from aigc.job.plan import Job
from aigc.output import commit, schema
from aigc.output.generated import GeneratedBatch
from aigc.output.parquet import file_sha256
from aigc.output.writers import open_writer
from aigc.types import Closing, OnBytes, Shard, ShardRecord, Span

OnItems = Callable[[int], None]
"""Hears of each block: how many items were added."""

_BLOCK_BATCHES = 16
_BLOCK_BYTES = 32 * 2**20
"""Items held at a time, or a micro-batch as the model makes it. After other work a core needs some
passes to reach its speed (matrix units are clocked up, caches filled): many follow each other."""


@dataclass(frozen=True)
class Rows:
    """Consecutive finished items: as Arrow, their slots (N,), files and the codes (N,) of what they
    were asked to be, see `Job.codes`."""

    batch: pa.RecordBatch
    slots: Ints
    files: list[bytes]
    codes: Ints | None
    refused: Counter[str] = field(default_factory=Counter)
    """Candidates that gates refused on the way, by reason."""


@dataclass(frozen=True)
class MakeShard:
    """The unit of a job whose gates judge every image by itself."""

    shard: Shard

    def __str__(self) -> str:
        return str(self.shard)

    @property
    def items(self) -> int:
        return self.shard.items

    def __call__(self, maker: Maker, out: str, on_items: OnItems) -> Closing[ShardRecord]:
        """Render, judge, encode and write; to close it is to commit it."""
        columns = schema.schema(maker.job, maker.briefs)
        slots = np.arange(self.shard.start, self.shard.stop)
        made = made_of(maker, slots, np.zeros_like(slots))
        rows = ahead(functools.partial(rows_of, maker, columns), made, maker.encoders)
        return write_shard(maker, self.shard, out, rows, on_items)


def blocks(job: Job, slots: Ints, item_bytes: int | None = None) -> Iterator[Ints]:
    """Some thousand slots at a time; what is made does not depend on where they end. `item_bytes`
    is the size of an item in memory, where it is not that of the job's form."""
    if item_bytes is None:
        item_bytes = job.delivery.delivered(job.form, job.item_format).size_bytes
    batches = min(_BLOCK_BATCHES, max(1, _BLOCK_BYTES // (item_bytes * job.micro_batch)))
    step = batches * job.micro_batch
    return (slots[start : start + step] for start in range(0, len(slots), step))


def made_of(maker: Maker, slots: Ints, draw: Ints) -> Iterator[GeneratedBatch]:
    """What becomes of `slots` (N,), from their draws (N,) on, block by block."""
    for places in blocks(maker.job, np.arange(len(slots))):
        yield from maker.parts(maker.make(slots[places], draw[places]))


def rows_of(maker: Maker, columns: pa.Schema, made: GeneratedBatch) -> Rows:
    files = maker.files(made)
    batch = schema.batch(maker.job, columns, made, files, maker.briefs, maker.latents(made))
    return Rows(batch, made.slots, files, maker.job.codes(made.keys), made.refused)


def write_shard(
    maker: Maker,
    shard: Shard,
    out: str,
    parts: Iterator[Rows],
    on_items: OnItems,
    earlier: tuple[Span, ...] = (),
) -> Closing[ShardRecord]:
    """Write `parts`, which are the shard's items in order; `earlier` is when else there was work on
    them. To close it is to commit the file: it gives our record, or an earlier winner's.

    Until it is uploaded, whatever fails leaves nothing behind; a file whose record could not be
    written is an orphan, unless the record was and only the answer is lost.
    """
    job, attempt, started = maker.job, uuid.uuid4().hex[:8], time.time()
    file = commit.data_file(job, shard, attempt)
    target = storage.join(out, file)
    labels: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    content, beside_bytes = 0, 0
    with contextlib.ExitStack() as until_written:
        local = until_written.enter_context(storage.scratch_file(target))
        columns = schema.schema(job, maker.briefs)
        with open_writer(job.writer, job.delivery, local, columns, out, shard.folder) as writer:
            for rows in parts:
                writer.write(rows.batch)
                content += schema.content_digest(rows.slots, rows.files, rows.codes)
                refused.update(rows.refused)
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

    return Closing(close)


def counted(job: Job, codes: Ints | None) -> dict[str, int]:
    """Items by the name of what they were asked to be; none where that has no names."""
    if codes is None or not job.names:
        return {}
    counts = np.bincount(codes, minlength=len(job.names))
    return {job.names[at]: int(counts[at]) for at in counts.nonzero()[0]}
