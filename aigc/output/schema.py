"""The columns of a content set, and how a batch of items becomes Arrow.

Items are Hugging Face features such as `Image` (struct<bytes, path>) and labels `ClassLabel`; both
are declared in the schema's metadata, so `datasets` decodes and names them without a script.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aigc import arrow
from aigc.conditions import CONDITIONS
from aigc.job.briefs import Briefs
from aigc.job.formats import formats_of
from aigc.job.keys import Ints, SampleKeys
from aigc.job.plan import Job
from aigc.modalities.delivery import CODEC
from aigc.output import items
from aigc.output.generated import GeneratedBatch
from aigc.provenance.statement import TRAINED_ALGORITHMIC_MEDIA

_NAMES = pa.dictionary(pa.int32(), pa.string())
_MODULUS = 1 << 256
_BEFORE = [("id", pa.string()), ("index", pa.int64()), ("candidate", pa.int64())]
_AFTER = [
    ("seed", pa.int64()),
    ("model", _NAMES),
    ("model_digest", _NAMES),
    ("digital_source_type", _NAMES),
]


def schema(job: Job, briefs: Briefs | None = None) -> pa.Schema:
    """id, index, candidate, the item, conditions and where it came from; with briefs also its
    format (codec and sizes), brief_id and the user's own columns; then `score` if included, those
    of the safety gate, and last `latent` if included."""
    conditions = _condition_fields(job)
    formats, _ = formats_of(job.delivery, job.form, briefs)
    fields = [pa.field(name, kind) for name, kind in _BEFORE]
    fields += items.fields(job.delivery, job.form, formats)
    fields += [field for field, _ in conditions]
    fields += [pa.field(name, kind) for name, kind in _AFTER]
    if briefs is not None:
        fields += [briefs.table.schema.field(name) for name in _carried(briefs)]
    if "scores" in job.include:
        fields.append(pa.field("score", pa.float32()))
    if job.gates.safety is not None:
        fields.append(pa.field("safety", pa.float32()))
        if job.gates.safety.policy == "flag":
            fields.append(pa.field("safety_flagged", pa.bool_()))
    if "latents" in job.include:
        fields.append(pa.field("latent", pa.list_(pa.float32(), job.latent_dim)))
    features = items.features(job.delivery, job.form, formats)
    features |= {field.name: feature for field, feature in conditions if feature is not None}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def batch(
    job: Job,
    columns: pa.Schema,
    made: GeneratedBatch,
    ids: Sequence[str],
    files: Sequence[bytes],
    briefs: Briefs | None = None,
    latents: np.ndarray[Any, np.dtype[np.float32]] | None = None,
) -> pa.RecordBatch:
    """Items as rows; `columns` is `schema(job, briefs)`, built once; `ids` and `files` are (N,)."""
    count, keys = len(files), made.keys
    arrays = [
        arrow.texts(ids),
        arrow.numbers(made.indices),
        arrow.numbers(keys.counters),
        *items.arrays(
            job.delivery,
            files,
            made.indices.tolist(),
            _codecs(job, made, briefs),
            items.names(columns),
        ),
        *_condition_arrays(job, keys, count),
        arrow.numbers(keys.seeds.astype(np.int64)),
        _constant(job.model, count),
        _constant(job.model_digest, count),
        _constant(TRAINED_ALGORITHMIC_MEDIA, count),
    ]
    if briefs is not None:
        rows = briefs.table.select(_carried(briefs)).take(arrow.numbers(briefs.rows(made.indices)))
        arrays += [column.combine_chunks() for column in rows.columns]
    if "scores" in job.include:
        arrays.append(_scores(made, "realism"))
    arrays += _safety(job, made)
    if latents is not None:
        flat = arrow.numbers(latents.reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, job.latent_dim))
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _scores(made: GeneratedBatch, name: str) -> pa.Array:
    found = made.scores.get(name)
    return pa.nulls(len(made.indices), pa.float32()) if found is None else arrow.numbers(found)


def _safety(job: Job, made: GeneratedBatch) -> list[pa.Array]:
    gate = job.gates.safety
    if gate is None:
        return []
    scores = made.scores.get("safety")
    columns = [_scores(made, "safety")]
    if gate.policy == "flag":
        flags = pa.nulls(len(made.indices), pa.bool_())
        if scores is not None:
            flags = arrow.flags(~(scores < np.float32(gate.threshold)))
        columns.append(flags)
    return columns


def content_digest(indices: Ints, files: Sequence[bytes], codes: Ints | None) -> int:
    """Order-free digest of items: Σ SHA-256(index ‖ code ‖ file) mod 2²⁵⁶, where `codes` (N,)
    stand for their conditions, see `Job.codes`. Files count as they were before signing.

    Sums of parts add up to the sum of the whole (AdHash; Bellare & Micciancio 1997), so the digest
    of a set does not depend on shard borders, shard order or who made which. It guards against
    accidents; against forgery the SHA-256 of each file stands in its record.
    """
    sha256, join = hashlib.sha256, int.from_bytes
    known = np.full(len(indices), -1) if codes is None else codes
    keys = np.stack([indices, known], axis=1).astype("<i8").tobytes()
    return (
        sum(
            join(sha256(keys[at : at + 16] + file).digest(), "little")
            for at, file in zip(range(0, len(keys), 16), files, strict=True)
        )
        % _MODULUS
    )


def add_digests(digests: Sequence[str]) -> str:
    """Hexadecimal content digest of the union of disjoint parts."""
    return format_digest(sum(int(digest, 16) for digest in digests))


def format_digest(value: int) -> str:
    return f"{value % _MODULUS:064x}"


def _carried(briefs: Briefs) -> list[str]:
    """The columns of the briefs that stand in the set as they are."""
    kept = [column.name for column in briefs.formats if column.kept]
    return [*kept, "brief_id", *briefs.own]


def _codecs(job: Job, made: GeneratedBatch, briefs: Briefs | None) -> Sequence[str]:
    if briefs is None:
        return [job.form.codec] * len(made.indices)
    codecs: list[str] = (
        briefs.table[CODEC.name].take(arrow.numbers(briefs.rows(made.indices))).to_pylist()
    )
    return codecs


def _condition_fields(job: Job) -> list[tuple[pa.Field, Any]]:
    """Columns of all conditions with their Hugging Face features."""
    each = (found.fields(job.schedules.get(name)) for name, found in CONDITIONS.items())
    return [field for fields in each for field in fields]


def _condition_arrays(job: Job, keys: SampleKeys, count: int) -> list[pa.Array]:
    return [
        array
        for name, condition in CONDITIONS.items()
        for array in condition.arrays(keys.conditions.get(name), job.schedules.get(name), count)
    ]


def _constant(text: str, count: int) -> pa.Array:
    codes = arrow.numbers(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(codes, arrow.texts([text]))
