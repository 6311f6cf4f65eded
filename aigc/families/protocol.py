"""What a family of models is, and what its loaded models can do.

A capability is a protocol. Ask `isinstance(generator, Encodes)`, never for a family's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from aigc.conditions.base import padded
from aigc.strict import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from aigc.conditions.base import Conditions
    from aigc.families.config import ModelConfig
    from aigc.families.noise import Noise
    from aigc.modalities.base import ItemType

Device = Literal["cpu", "cuda"]
Precision = Literal["bf16", "fp32"]
Tensors: TypeAlias = "dict[str, Tensor]"
"""What a model folder's `model.safetensors` holds, by name."""


class ModelSpec(Spec):
    """What a user writes of a model: the base of every family's spec.

    Each declares `family: Literal[NAME] = NAME`, the name of its entry in `FAMILIES`.
    """

    if TYPE_CHECKING:
        family: str

    def check(self, *, complete: bool) -> None:
        """Raises ValueError where fields do not go together. Unless it is `complete`, a preset may
        still set the fields that are not set."""


@dataclass(frozen=True)
class InferenceConfig:
    """How forward passes are made; each field is part of an item's identity."""

    micro_batch: int = 128
    precision: Precision = "fp32"
    device: Device = "cpu"


@runtime_checkable
class Generator(Protocol):
    """A loaded model. It makes items from noise and conditions, a whole micro-batch at a time.

    The engine pads `noise` and `given` to the micro-batch, always the same number of rows. Row i of
    the result must follow from row i of both alone.
    """

    @property
    def item(self) -> ItemType:
        """One item in memory, as the engine returns it."""
        ...

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the `CONDITIONS` that `given` has to hold."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory of the weights, in the forms in which they are held."""
        ...

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        """The micro-batch as network tensors of the modality, on the device of the model: images
        are float32 (B, C, H, W) in [-1, 1], sounds float32 (B, C, T) in [-1, 1]. Values that are
        not finite are allowed; the engine marks those items."""
        ...


@dataclass(frozen=True)
class Points:
    """N points in latent space."""

    vectors: Tensor
    """float32 (N, D)."""
    context: Tensor | None = None
    """What else the decoder takes of each row, (N,) or (N, E): class indices int64, or floats that
    may be interpolated."""

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice) -> Points:
        return Points(self.vectors[rows], None if self.context is None else self.context[rows])

    def to(self, device: str) -> Points:
        context = None if self.context is None else self.context.to(device, non_blocking=True)
        return Points(self.vectors.to(device, non_blocking=True), context)

    def padded(self, rows: slice, size: int) -> Points:
        """Some of the rows, and the last of them again and again up to `size` rows."""
        some = self[rows]
        context = None if some.context is None else padded(some.context, size)
        return Points(padded(some.vectors, size), context)


@runtime_checkable
class Decodes(Protocol):
    """Latent points to items: walks, and the column `latent`.

    `generator(noise, given)` is `decode(latents(noise, given))`.
    """

    @property
    def latent_dim(self) -> int:
        """D, the numbers of a latent vector."""
        ...

    def latents(self, noise: Noise, given: Conditions) -> Points:
        """The points of N rows, where `noise` is; any number of rows."""
        ...

    def decode(self, points: Points) -> Tensor:
        """Items as `Generator.__call__` returns them; `points` is a whole micro-batch and may lie
        on any device."""
        ...

    def between(self, points: Points) -> Points:
        """The same items as points of which vectors and context are float and may be interpolated,
        on the CPU."""
        ...


@runtime_checkable
class Encodes(Decodes, Protocol):
    """Items to latent points: variations and edits of an item that somebody sends."""

    def encode(self, items: Tensor, given: Conditions) -> Tensor:
        """Network tensors (N, ...) to vectors float32 (N, D) on the CPU, as the decoder reads
        them."""
        ...

    def locate(self, encoded: Tensor, given: Conditions) -> Points:
        """The points, as of `between`, which the decoder sees as `encoded` (N, D)."""
        ...

    def turned(self, encoded: Tensor, given: Conditions, becomes: Conditions) -> Points:
        """The points, as of `between`, of the conditions `becomes` that are most like `encoded`
        (N, D), the vectors of items of the conditions `given`."""
        ...

    def near(self, point: Points, noise: Noise, given: Conditions, strength: float) -> Points:
        """`point` (one row, as of `locate`) moved `strength` in 0..1 of the way towards the points
        of `noise`, a point for each row of `noise` and `given`."""
        ...


@runtime_checkable
class Scores(Protocol):
    """How real items look to the model."""

    def score(self, items: Tensor, given: Conditions) -> Tensor:
        """Network tensors (N, ...) to float32 (N,) on the CPU, higher is more real. Row i depends
        on row i alone if N is always the same."""
        ...


@dataclass(frozen=True)
class Family:
    """How items are made: one entry of `FAMILIES`.

    The module that defines it is imported by every command: it loads torch inside `load` only.
    """

    spec: type[ModelSpec]
    """What a user writes under `model:`; `config.json` holds it under `architecture`."""
    title: str
    """For people: `Generative adversarial network`."""
    takes: Callable[[ModelConfig], tuple[str, ...]]
    """The names of the `CONDITIONS` that a model takes, from its configuration alone."""
    load: Callable[[ModelConfig, Tensors, InferenceConfig], Generator]
    """The generator. What it can do besides, its class says: `Decodes`, `Encodes`, `Scores`.
    Raises StoreError when tensors are missing, left over or of another shape."""
    sampling: type[Spec] = Spec
    """The sampling knobs, numbers or none each. They reach the generator in `given`, float64 (N,)
    by name, NaN where a row has none, and not at all where no row has one."""
    able: Callable[[ModelConfig], tuple[type, ...]] = lambda config: ()
    """The protocols that its generators are expected to have, from the configuration alone: for
    listings of models that are not loaded."""
    learner: str | None = None
    """`package.module:Class` of the `Learner` that trains it; None for families that are imported
    only. A name, because training stands above this room."""
    recipes: tuple[str, ...] = ()
    """The presets of `aigc.presets` that train this family."""
