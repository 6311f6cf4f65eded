"""The columns of a content set, and how a batch of items becomes Arrow.

Images are Hugging Face `Image` features (struct<bytes, path>) and labels `ClassLabel`; both are
declared in the schema's metadata, so `datasets` decodes and names them without a script.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aigc.job.briefs import Briefs
from aigc.job.keys import Ints
from aigc.job.plan import Job
from aigc.output import arrow, pictures
from aigc.output.generated_batch import GeneratedBatch
from aigc.provenance.marking import DIGITAL_SOURCE_TYPE
from aigc.specs import Codec
from aigc.types import Labels

_NAMES = pa.dictionary(pa.int32(), pa.string())
_MODULUS = 1 << 256
_BEFORE = [("id", pa.string()), ("index", pa.int64()), ("candidate", pa.int64())]
_AFTER = [
    ("label", pa.int64()),
    ("label_name", _NAMES),
    ("seed", pa.int64()),
    ("model", _NAMES),
    ("model_digest", _NAMES),
    ("digital_source_type", _NAMES),
]
_BRIEF_COLUMNS = [("width", pa.int32()), ("height", pa.int32()), ("codec", pa.string())]


def schema(job: Job, briefs: Briefs | None = None) -> pa.Schema:
    """id, index, candidate, the picture, label and where it came from; with briefs also width,
    height, codec, brief_id and the user's own columns; last `score` and `latent` if included."""
    codecs, shape = _forms(job, briefs)
    fields = [pa.field(name, kind) for name, kind in _BEFORE]
    fields += pictures.fields(codecs, shape)
    fields += [pa.field(name, kind) for name, kind in _AFTER]
    if briefs is not None:
        fields += [pa.field(name, kind) for name, kind in _BRIEF_COLUMNS]
        fields += [briefs.table.schema.field(name) for name in _carried(briefs)]
    if "scores" in job.include:
        fields.append(pa.field("score", pa.float32()))
    if "latents" in job.include:
        fields.append(pa.field("latent", pa.list_(pa.float32(), job.latent_dim)))
    features = pictures.features(codecs)
    if job.labels:
        features["label"] = {"names": list(job.labels), "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def batch(
    job: Job,
    columns: pa.Schema,
    made: GeneratedBatch,
    files: Sequence[bytes],
    briefs: Briefs | None = None,
    latents: np.ndarray[Any, np.dtype[np.float32]] | None = None,
) -> pa.RecordBatch:
    """Items as rows; `columns` is `schema(job, briefs)`, built once."""
    count, draws = len(files), made.draws
    arrays = [
        arrow.texts(job.item_ids(draws, made.indices, briefs)),
        arrow.numbers(made.indices),
        arrow.numbers(draws.candidates),
        *pictures.arrays(files, made.indices.tolist(), _codecs(job, made, briefs), columns),
        pa.nulls(count, pa.int64()) if draws.labels is None else arrow.numbers(draws.labels),
        _label_names(job, draws.labels, count),
        arrow.numbers(draws.seeds.astype(np.int64)),
        _constant(job.model, count),
        _constant(job.model_digest, count),
        _constant(DIGITAL_SOURCE_TYPE, count),
    ]
    if briefs is not None:
        names = [name for name, _ in _BRIEF_COLUMNS] + _carried(briefs)
        rows = briefs.table.select(names).take(arrow.numbers(briefs.rows(made.indices)))
        arrays += [column.combine_chunks() for column in rows.columns]
    if "scores" in job.include:
        scores = made.scores
        arrays.append(pa.nulls(count, pa.float32()) if scores is None else arrow.numbers(scores))
    if latents is not None:
        flat = arrow.numbers(latents.reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, job.latent_dim))
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def content_digest(slots: Ints, images: Sequence[bytes], labels: Labels | None) -> int:
    """Order-free digest of items: Σ SHA-256(index ‖ label ‖ file) mod 2²⁵⁶.

    Sums of parts add up to the sum of the whole (AdHash; Bellare & Micciancio 1997), so the digest
    of a set does not depend on shard borders, shard order or who made which. It guards against
    accidents; against forgery the SHA-256 of each file stands in its record.
    """
    sha256, join = hashlib.sha256, int.from_bytes
    known = np.full(len(slots), -1) if labels is None else labels
    keys = np.stack([slots, known], axis=1).astype("<i8").tobytes()
    return (
        sum(
            join(sha256(keys[at : at + 16] + image).digest(), "little")
            for at, image in zip(range(0, len(keys), 16), images, strict=True)
        )
        % _MODULUS
    )


def add_digests(digests: Sequence[str]) -> str:
    """Hexadecimal content digest of the union of disjoint parts."""
    return format_digest(sum(int(digest, 16) for digest in digests))


def format_digest(value: int) -> str:
    return f"{value % _MODULUS:064x}"


def _forms(job: Job, briefs: Briefs | None) -> tuple[set[Codec], pictures.Shape]:
    """The codecs that occur, and the shape of the pictures as far as all share it."""
    if briefs is None:
        return {job.codec}, (job.height, job.width, job.channels)
    sizes = [briefs.table[name].unique().to_pylist() for name in ("height", "width")]
    height, width = (found[0] if len(found) == 1 else None for found in sizes)
    same = height is not None and width is not None
    shape = (height, width, job.channels) if same else (None, None, job.channels)
    return set(briefs.table["codec"].unique().to_pylist()), shape


def _carried(briefs: Briefs) -> list[str]:
    """The columns of the briefs that stand in the set as they are."""
    return ["brief_id", *briefs.own]


def _codecs(job: Job, made: GeneratedBatch, briefs: Briefs | None) -> Sequence[Codec]:
    if briefs is None:
        return [job.codec] * len(made.indices)
    codecs: list[Codec] = (
        briefs.table["codec"].take(arrow.numbers(briefs.rows(made.indices))).to_pylist()
    )
    return codecs


def _label_names(job: Job, labels: Labels | None, count: int) -> pa.Array:
    if labels is None:
        return pa.DictionaryArray.from_arrays(pa.nulls(count, pa.int32()), arrow.texts([]))
    return pa.DictionaryArray.from_arrays(
        arrow.numbers(labels.astype(np.int32)), arrow.texts(job.labels)
    )


def _constant(text: str, count: int) -> pa.Array:
    codes = arrow.numbers(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(codes, arrow.texts([text]))
