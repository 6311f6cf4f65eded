"""Shards written by hand: pictures of differing sizes and codecs, with columns of a brief."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aigc import storage
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.modalities.image import encode
from aigc.output import items
from aigc.output.parquet import file_sha256
from aigc.output.writers import SUFFIX, open_writer
from aigc.specs import Codec
from aigc.types import ShardRecord

RNG = np.random.default_rng(0)
LABELS = ("bag", "../shoe 1/2", ".hidden")
COUNT = 50
START = 9_980
"""Indices of a shard that crosses the border of a folder of ten thousand."""


def batch(codecs: Sequence[Codec], *, labelled: bool = True, start: int = START) -> pa.RecordBatch:
    """Pictures of differing width in `codecs`, one after the other, with a brief's columns."""
    codec = [codecs[at % len(codecs)] for at in range(COUNT)]
    width = [8 + at % 3 for at in range(COUNT)]
    data = [
        encode(RNG.integers(0, 256, (1, 6, wide, 3), dtype=np.uint8), name)[0]
        for name, wide in zip(codec, width, strict=True)
    ]
    delivery, form = job("parquet").delivery, job("parquet").form
    sizes = {(name, wide) for name, wide in zip(codec, width, strict=True)}
    formats = [delivery.format_of(form, {"codec": n, "width": w}) for n, w in sorted(sizes)]
    fields = items.fields(delivery, form, formats)
    indices = list(range(start, start + COUNT))
    label = [at % 3 for at in range(COUNT)] if labelled else [None] * COUNT
    columns = {
        "id": pa.array([f"i{index}" for index in indices]),
        "index": pa.array(indices),
        "candidate": pa.array([index + 2**40 for index in indices]),
        **dict(
            zip(
                [field.name for field in fields],
                items.arrays(delivery, data, indices, codec, [field.name for field in fields]),
                strict=True,
            )
        ),
        "label": pa.array(label, pa.int64()),
        "label_name": pa.DictionaryArray.from_arrays(pa.array(label, pa.int32()), list(LABELS)),
        "seed": pa.array([2**63 - 1] * COUNT),
        "width": pa.array(width, pa.int32()),
        "height": pa.array([6] * COUNT, pa.int32()),
        "codec": pa.array(codec),
        "100% own, €": pa.array([None, "a\nb"] * (COUNT // 2)),
        "score": pa.array(np.linspace(0, 1, COUNT, dtype=np.float32)),
        "latent": pa.array([[0.5, float(at)] for at in range(COUNT)], pa.list_(pa.float32(), 2)),
    }
    by_name = {field.name: field for field in fields}
    schema = pa.schema([by_name.get(name, (name, column.type)) for name, column in columns.items()])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def job(writer: str) -> Job:
    """One made from briefs, whose shards `write` writes."""
    said = {
        "model": "m@v1", "model_uri": "m", "model_digest": "0" * 64, "count": 20_000, "seed": 0,
        "pattern": (), "labels": LABELS, "truncation": None, "codec": "png", "quality": 90,
        "precision": "fp32", "device": "cpu", "micro_batch": 8, "shard_items": 20_000,
        "height": 6, "width": 8, "channels": 3, "latent_dim": 2,
        "resampling": "lanczos", "writer": writer, "include": (), "asked_gates": {}, "gates": {},
        "briefs_digest": "0" * 64, "ranges": ({"start": 0, "stop": 20_000},),
    }  # fmt: skip
    return Job.model_validate(said)


def write(form, out: str, rows: pa.RecordBatch, name: str = "data/part-0") -> ShardRecord:
    file = name + SUFFIX[form]
    local = storage.scratch(storage.join(out, file))
    with open_writer(form, MODALITIES["image"].delivery, local, rows.schema, out) as writer:
        for start in range(0, len(rows), 20):
            writer.write(rows.slice(start, 20))
    first = rows["index"][0].as_py()
    size, sha256 = local.stat().st_size, file_sha256(local)
    storage.upload(local, storage.join(out, file))
    return ShardRecord(0, first, first + len(rows), file, size, sha256, "")
