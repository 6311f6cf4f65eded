"""One shard from plan to commit. No Ray here: a scheduler only calls `run_shard` somewhere."""

from __future__ import annotations

import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable

from aigc import storage
from aigc.generation.engine import Engine, Rendered
from aigc.generation.plan import Job
from aigc.modalities.image import encode
from aigc.output import commit, parquet, schema
from aigc.provenance.marking import mark
from aigc.types import Shard, ShardRecord


def files_of(job: Job, rendered: Rendered) -> list[bytes]:
    """The items as they are delivered: encoded, and labelled as AI-generated if the job says so."""
    files = encode(rendered.pixels, job.codec, job.quality)
    return [mark(file, job.codec) for file in files] if job.embed_provenance else files


def run_shard(
    job: Job, shard: Shard, engine: Engine, out: str, on_items: Callable[[int], None] | None = None
) -> ShardRecord:
    """Render, encode, write and commit one shard; returns its record, ours or an earlier winner's.

    `on_items` hears of each micro-batch: how many items were added. Whatever fails, no record is
    made and the attempt's file is removed.
    """
    attempt, started = uuid.uuid4().hex[:8], time.time()
    file = commit.data_file(shard, attempt)
    target = storage.join(out, file)
    local = storage.scratch(target)
    labels: Counter[str] = Counter()
    columns, content = schema.schema(job), 0
    try:
        with parquet.open_writer(local, columns) as writer:
            for part in engine.render(shard.start, shard.stop):
                files = files_of(job, part)
                writer.write(schema.batch(job, columns, part.start, files, part.labels))
                content += schema.content_digest(part.start, files, part.labels)
                if part.labels is not None:
                    labels.update(job.labels[label] for label in part.labels)
                if on_items:
                    on_items(len(files))
        size_bytes, sha256 = local.stat().st_size, parquet.file_sha256(local)
        storage.upload(local, target)
    finally:
        local.unlink(missing_ok=True)
    record = ShardRecord(
        shard=shard.number,
        start=shard.start,
        stop=shard.stop,
        file=file,
        size_bytes=size_bytes,
        sha256=sha256,
        content=schema.format_digest(content),
        labels=dict(sorted(labels.items())),
        attempt=attempt,
        host=socket.gethostname(),
        started_at=round(started, 3),
        wall_s=round(time.time() - started, 3),
    )
    if commit.commit(out, record):
        return record
    storage.delete(target)
    return commit.read_record(out, shard.number)
