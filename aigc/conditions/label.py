"""The condition `label`: one of the class names a model was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aigc.conditions.base import Facts, Schedule, Values
from aigc.conditions.labels import find_label, label_pattern
from aigc.conditions.prompts import labels_in
from aigc.errors import SpecError, listed

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

CLASS, CLASS_NAME = "label", "label_name"
"""Columns of every set: the index and the name of the class that an item was asked to be; null
where the model takes no class."""


class Label:
    """Values are class indices, int64."""

    title = "labels"

    def schedule(self, asked: Sequence[str] | Mapping[str, float] | None, model: Facts) -> Schedule:
        """`asked`: labels in equal shares, or a mapping of label to share; None: the usual ones."""
        pattern = label_pattern(model.labels, asked, model.usual)
        return Schedule(pattern=tuple(pattern.tolist()), names=model.labels)

    def prompted(self, prompt: str, model: Facts) -> Schedule:
        """The labels that `prompt` names, in equal shares."""
        found = labels_in(prompt, model.labels, model.synonyms)
        if not found:
            raise SpecError(
                f"prompt: {prompt[:60]!r} names none of the model's labels: {listed(model.labels)}"
            )
        return self.schedule(found, model)

    def value(self, text: str, model: Facts) -> int:
        return find_label(model.labels, text)

    def shown(self, values: Values, model: Facts) -> list[str]:
        return [model.labels[at] for at in values.tolist()]

    def tensor(self, values: Values) -> Tensor:
        """int64 (N,)."""
        import torch  # noqa: PLC0415

        return torch.from_numpy(values)

    def marks(self, values: Values) -> list[str]:
        return [str(value) for value in values.tolist()]

    def codes(self, values: Values) -> npt.NDArray[np.int64]:
        return values.astype(np.int64)

    def fields(self, schedule: Schedule | None) -> Sequence[tuple[pa.Field, Any]]:
        """`label`, a `ClassLabel`, and `label_name`; both are null in a set without labels."""
        import pyarrow as pa  # noqa: PLC0415

        feature = None
        if schedule is not None:
            feature = {"names": list(schedule.names), "_type": "ClassLabel"}
        names = pa.dictionary(pa.int32(), pa.string())
        return [(pa.field(CLASS, pa.int64()), feature), (pa.field(CLASS_NAME, names), None)]

    def arrays(self, values: Values | None, schedule: Schedule | None, rows: int) -> list[pa.Array]:
        import pyarrow as pa  # noqa: PLC0415

        from aigc import arrow  # noqa: PLC0415

        if values is None or schedule is None:
            nothing = pa.nulls(rows, pa.int32())
            empty = pa.DictionaryArray.from_arrays(nothing, arrow.texts([]))
            return [pa.nulls(rows, pa.int64()), empty]
        codes, names = arrow.numbers(values.astype(np.int32)), arrow.texts(schedule.names)
        return [arrow.numbers(values), pa.DictionaryArray.from_arrays(codes, names)]


LABEL = Label()
