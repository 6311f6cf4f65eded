"""The formats that the items of one job have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.job.briefs import Briefs
from aigc.job.keys import Ints
from aigc.modalities import Delivery
from aigc.modalities.delivery import Form, ItemFormat


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
