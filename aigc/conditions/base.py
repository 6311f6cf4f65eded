"""The protocol of a condition, and the tensors that a generator receives."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aigc.strict import Spec

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

Values = npt.NDArray[Any]
"""(N,) of int64 or str: the value of a condition for each item."""


class Conditions(Mapping[str, "Tensor"]):
    """Input of a generator for N rows: a mapping from the name of a condition, or of a sampling
    setting that is set, to a tensor of N rows."""

    def __init__(self, rows: int, tensors: Mapping[str, Tensor]) -> None:
        self.rows, self._tensors = rows, tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def padded(self, rows: slice, size: int) -> Conditions:
        """The rows `rows`, with the last one repeated up to `size` rows."""
        return Conditions(size, {name: padded(each[rows], size) for name, each in self.items()})


def padded(part: Tensor, size: int) -> Tensor:
    """(N, ...) to (size, ...) by repeating the last row. The result is a copy, because the sums of
    a forward pass can depend on the alignment of its rows."""
    import torch  # noqa: PLC0415

    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


class Schedule(Spec):
    """The values of a condition: item i has `pattern[i % len(pattern)]`."""

    pattern: tuple[int, ...] | tuple[str, ...] = Field(min_length=1)
    names: tuple[str, ...] = ()
    """Names of the values, if `pattern` holds indices."""

    def at(self, numbers: npt.NDArray[np.int64]) -> Values:
        """The values (N,) of the items `numbers` (N,)."""
        return self.values[numbers % len(self.pattern)]

    @functools.cached_property
    def values(self) -> Values:
        """`pattern` as an array."""
        return np.asarray(self.pattern)


class Facts(Protocol):
    """The fields of a model's `config.json` that conditions may read."""

    @property
    def takes(self) -> tuple[str, ...]: ...
    @property
    def architecture(self) -> Spec: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def usual(self) -> tuple[str, ...]: ...
    @property
    def synonyms(self) -> Mapping[str, str]: ...


class Condition(Protocol):
    """One entry of `CONDITIONS`."""

    title: str
    """Plural noun for messages: `labels`."""

    def schedule(self, asked: Any, model: Facts) -> Schedule:
        """Spread values over items.

        Args:
            asked: values as written in a spec, in `--set` or in a brief; None for the default.

        Raises:
            SpecError: the model does not have a value; names it and the values that it has.
        """
        ...

    def prompted(self, prompt: str, model: Facts) -> Schedule:
        """The values that a prompt names. Raises SpecError, prefixed with `prompt: `."""
        ...

    def value(self, text: str, model: Facts) -> int | str:
        """Parse one value of a URL path. Raises SpecError."""
        ...

    def shown(self, values: Values, model: Facts) -> list[str]:
        """`values` (N,) as text for users, which `value` parses again."""
        ...

    def tensor(self, values: Values) -> Tensor:
        """The generator's input for `values` (N,): a tensor of N rows on the CPU."""
        ...

    def marks(self, values: Values) -> list[str]:
        """The part of each item's id: letters, digits and hyphens, different for different
        `values` (N,)."""
        ...

    def codes(self, values: Values) -> npt.NDArray[np.int64]:
        """A number of 0 or more for each of `values` (N,), for the content digest of a set."""
        ...

    def fields(self, schedule: Schedule | None) -> Sequence[tuple[pa.Field, Any]]:
        """The columns of a set, each with its Hugging Face feature or None. `schedule` is None if
        the model does not take the condition."""
        ...

    def arrays(self, values: Values | None, schedule: Schedule | None, rows: int) -> list[pa.Array]:
        """The values of the columns for `rows` items. `values` is (rows,), or None if the model
        does not take the condition."""
        ...
