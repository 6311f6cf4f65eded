"""The formats that the items of one job have, and how many of them a file holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.families.config import ModelConfig
from aigc.job.briefs import Briefs
from aigc.job.form import form_of
from aigc.job.keys import Ints
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import Form, ItemFormat
from aigc.specs import GenerateSpec

_TARGET_FILE_BYTES, _MAX_FILE_BYTES = 256 * 2**20, 512 * 2**20
_MIN_SHARDS = 64
_MIN_BATCHES = 8


def formats_of(
    delivery: Delivery, form: Form, briefs: Briefs | None
) -> tuple[Sequence[ItemFormat], Ints]:
    """The distinct formats of a job, and which of them each brief (row of the table) asks for."""
    if briefs is None:
        return [delivery.format_of(form)], np.zeros(0, np.int64)
    names = [column.name for column in delivery.columns]
    columns = [briefs.table[name].to_pylist() for name in names]
    rows = list(zip(*columns, strict=True))
    distinct = {found: number for number, found in enumerate(dict.fromkeys(rows))}
    formats = [delivery.format_of(form, dict(zip(names, row, strict=True))) for row in distinct]
    return formats, np.array([distinct[row] for row in rows], dtype=np.int64)


def mean_item(delivery: Delivery, form: Form, briefs: Briefs | None) -> tuple[float, float]:
    """Of all items of a job, as they are delivered: the mean number of values, and of bytes."""
    formats, of = formats_of(delivery, form, briefs)
    items = [delivery.delivered(form, wanted) for wanted in formats]
    if briefs is None:
        return float(items[0].values), float(items[0].size_bytes)
    sizes = np.array([(item.values, item.size_bytes) for item in items], float)
    values, size_bytes = np.average(sizes[of], axis=0, weights=briefs.counts)
    return float(values), float(size_bytes)


def shard_items(
    spec: GenerateSpec, config: ModelConfig, count: int, briefs: Briefs | None = None
) -> int:
    """Items a shard: files near 256 MB, yet at least 64 shards a job; whole micro-batches each, but
    for items so large that one would give files beyond 512 MB. Briefs count by their mean size."""
    if spec.shard_items:
        return _whole(spec.shard_items, spec.micro_batch)
    delivery, form = MODALITIES[config.modality].delivery, form_of(spec, config)
    item_bytes = delivery.file_bytes(form, mean_item(delivery, form, briefs)[0])
    fitting = max(1, _TARGET_FILE_BYTES // item_bytes)
    if spec.micro_batch * item_bytes > _MAX_FILE_BYTES:
        return fitting
    least = min(_MIN_BATCHES * spec.micro_batch, fitting)
    return _whole(max(min(fitting, -(-count // _MIN_SHARDS)), least), spec.micro_batch)


def _whole(items: int, micro_batch: int) -> int:
    return -(-items // micro_batch) * micro_batch
