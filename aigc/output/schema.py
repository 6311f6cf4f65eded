"""The columns of a content set, and how a batch of items becomes Arrow.

Images are Hugging Face `Image` features (struct<bytes, path>) and labels `ClassLabel`; both are
declared in the schema's metadata, so `datasets` decodes and names them without a script.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aigc.generation.plan import Job
from aigc.modalities.image import SUFFIX
from aigc.provenance.marking import DIGITAL_SOURCE_TYPE
from aigc.types import Labels

_NAMES = pa.dictionary(pa.int32(), pa.string())
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_MODULUS = 1 << 256


def schema(job: Job) -> pa.Schema:
    """id, index, image, label, label_name, seed, model, model_digest, digital_source_type."""
    label_feature: dict[str, object] = {"dtype": "int64", "_type": "Value"}
    if job.labels:
        label_feature = {"names": list(job.labels), "_type": "ClassLabel"}
    text = {"dtype": "string", "_type": "Value"}
    number = {"dtype": "int64", "_type": "Value"}
    columns: list[tuple[str, pa.DataType, dict[str, object]]] = [
        ("id", pa.string(), dict(text)),
        ("index", pa.int64(), dict(number)),
        ("image", _IMAGE, {"_type": "Image"}),
        ("label", pa.int64(), label_feature),
        ("label_name", _NAMES, dict(text)),
        ("seed", pa.int64(), dict(number)),
        ("model", _NAMES, dict(text)),
        ("model_digest", _NAMES, dict(text)),
        ("digital_source_type", _NAMES, dict(text)),
    ]
    features = {name: feature for name, _, feature in columns}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, kind, _ in columns], metadata=metadata)


def batch(
    job: Job, columns: pa.Schema, start: int, images: Sequence[bytes], labels: Labels | None
) -> pa.RecordBatch:
    """Items start ≤ index < start + len(images) as rows; `columns` is `schema(job)`, built once."""
    count = len(images)
    indices = np.arange(start, start + count, dtype=np.int64)
    suffix = SUFFIX[job.codec]
    paths = [f"{index:012d}{suffix}" for index in range(start, start + count)]
    image = pa.StructArray.from_arrays(
        [pa.array(images, pa.binary()), pa.array(paths, pa.string())], fields=list(_IMAGE)
    )
    label = pa.nulls(count, pa.int64()) if labels is None else pa.array(labels)
    arrays = [
        pa.array([job.item_id(index) for index in range(start, start + count)]),
        pa.array(indices),
        image,
        label,
        _label_names(job, labels, count),
        pa.array(np.full(count, job.seed, dtype=np.int64)),
        _constant(job.model, count),
        _constant(job.model_digest, count),
        _constant(DIGITAL_SOURCE_TYPE, count),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def content_digest(start: int, images: Sequence[bytes], labels: Labels | None) -> int:
    """Order-free digest of items: Σ SHA-256(index ‖ label ‖ file) mod 2²⁵⁶.

    Sums of parts add up to the sum of the whole (AdHash; Bellare & Micciancio 1997), so the digest
    of a set does not depend on shard borders, shard order or who made which. It guards against
    accidents; against forgery the SHA-256 of each file stands in its record.
    """
    total = 0
    for offset, image in enumerate(images):
        label = -1 if labels is None else int(labels[offset])
        key = (start + offset).to_bytes(8, "little") + label.to_bytes(8, "little", signed=True)
        total += int.from_bytes(hashlib.sha256(key + image).digest(), "little")
    return total % _MODULUS


def add_digests(digests: Sequence[str]) -> str:
    """Hexadecimal content digest of the union of disjoint parts."""
    return format_digest(sum(int(digest, 16) for digest in digests))


def format_digest(value: int) -> str:
    return f"{value % _MODULUS:064x}"


def _label_names(job: Job, labels: Labels | None, count: int) -> pa.Array:
    if labels is None:
        return pa.DictionaryArray.from_arrays(
            pa.nulls(count, pa.int32()), pa.array([], pa.string())
        )
    return pa.DictionaryArray.from_arrays(
        pa.array(labels.astype(np.int32)), pa.array(job.labels, pa.string())
    )


def _constant(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))
