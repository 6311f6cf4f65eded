"""What a condition is, and what a generator is given of all of them."""

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
"""(N,) of one kind: int64 or texts. One row's value is what that item is asked to be."""


class Conditions(Mapping[str, "Tensor"]):
    """What is asked of each of N rows, by name: the tensors of conditions, and the sampling knobs
    of the family where they are set. Each has N rows."""

    def __init__(self, rows: int, tensors: Mapping[str, Tensor]) -> None:
        self.rows, self._tensors = rows, tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def padded(self, rows: slice, size: int) -> Conditions:
        """Some of the rows, and the last of them again and again up to `size` rows."""
        return Conditions(size, {name: padded(each[rows], size) for name, each in self.items()})


def padded(part: Tensor, size: int) -> Tensor:
    """(N, ...) to (size, ...): the last row again and again. In memory of its own, for the sums of
    a forward pass may depend on where its rows lie."""
    import torch  # noqa: PLC0415

    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


class Schedule(Spec):
    """Which value item i has: `pattern[i % len(pattern)]`."""

    pattern: tuple[int, ...] | tuple[str, ...] = Field(min_length=1)
    names: tuple[str, ...] = ()
    """What the values of `pattern` mean, where they are indices."""

    def at(self, numbers: npt.NDArray[np.int64]) -> Values:
        """The values (N,) of the items `numbers` (N,)."""
        return self.values[numbers % len(self.pattern)]

    @functools.cached_property
    def values(self) -> Values:
        """`pattern` as an array."""
        return np.asarray(self.pattern)


class Facts(Protocol):
    """What conditions may ask of a model's `config.json`."""

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
    """One entry of `CONDITIONS`: what a maker may be asked for."""

    title: str
    """Several of its values, in a sentence: `labels`."""

    def schedule(self, asked: Any, model: Facts) -> Schedule:
        """What item i is asked to be, as the user writes it in a spec, in `--set` or in the cell
        of a brief; `asked` is None where nothing is said.

        Raises:
            SpecError: the model cannot make that; names the value and what would be right.
        """
        ...

    def prompted(self, prompt: str, model: Facts) -> Schedule:
        """What the words of a prompt ask for. Raises SpecError, with `prompt: ` in front."""
        ...

    def value(self, text: str, model: Facts) -> int | str:
        """One value as it stands in an address. Raises SpecError."""
        ...

    def shown(self, values: Values, model: Facts) -> list[str]:
        """Each of `values` (N,) for people, and as `value` reads it."""
        ...

    def tensor(self, values: Values) -> Tensor:
        """What the generator is given of `values` (N,): a tensor of N rows on the CPU."""
        ...

    def marks(self, values: Values) -> list[str]:
        """What stands for each of `values` (N,) in an item's id: letters, digits and hyphens, the
        same for the same value alone."""
        ...

    def codes(self, values: Values) -> npt.NDArray[np.int64]:
        """What stands for each of `values` (N,) in the digest of a set's content, 0 or more."""
        ...

    def fields(self, schedule: Schedule | None) -> Sequence[tuple[pa.Field, Any]]:
        """The columns of a set, each with its Hugging Face feature or None. `schedule` is None in
        a set whose model does not take the condition."""
        ...

    def arrays(self, values: Values | None, schedule: Schedule | None, rows: int) -> list[pa.Array]:
        """The columns' values for `rows` items; `values` (rows,) is None where there is none."""
        ...
