"""The protocol of a family and of its generators.

Each capability is a protocol: test `isinstance(generator, Encodes)`, never the name of a family.
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
"""The tensors of a model folder's `model.safetensors`, by name."""


class ModelSpec(Spec):
    """Base of the spec of every family: the fields under `model:`.

    Each declares `family: Literal[NAME] = NAME`, the name of its entry in `FAMILIES`.
    """

    if TYPE_CHECKING:
        family: str

    def check(self, *, complete: bool) -> None:
        """Raises ValueError if fields contradict each other, or one has no effect. If not
        `complete`, a preset will set the fields that are not set."""


@dataclass(frozen=True)
class InferenceConfig:
    """Settings of forward passes. Each is part of an item's identity."""

    micro_batch: int = 128
    precision: Precision = "fp32"
    device: Device = "cpu"


@runtime_checkable
class Generator(Protocol):
    """A loaded model. It generates items from noise and conditions, one micro-batch per call.

    The engine pads `noise` and `given` to the micro-batch, so that each call has the same number of
    rows. Row i of the result must depend on row i of both only.
    """

    @property
    def item(self) -> ItemType:
        """Shape and dtype of one item, as the engine returns it."""
        ...

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the `CONDITIONS` that `given` must contain."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory of the weights in bytes, all copies included."""
        ...

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        """Network tensors of the modality, on the device of the model: images float32 (B, C, H, W)
        in [-1, 1], sounds float32 (B, C, T) in [-1, 1]. Values that are not finite are allowed; the
        engine marks these items."""
        ...


@dataclass(frozen=True)
class Points:
    """N points in latent space."""

    vectors: Tensor
    """float32 (N, D)."""
    context: Tensor | None = None
    """Further input of the decoder, (N,) or (N, E): class indices int64, or floats that may be
    interpolated. None if there is none."""

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice) -> Points:
        return Points(self.vectors[rows], None if self.context is None else self.context[rows])

    def to(self, device: str) -> Points:
        context = None if self.context is None else self.context.to(device, non_blocking=True)
        return Points(self.vectors.to(device, non_blocking=True), context)

    def padded(self, rows: slice, size: int) -> Points:
        """The rows `rows`, with the last one repeated up to `size` rows."""
        some = self[rows]
        context = None if some.context is None else padded(some.context, size)
        return Points(padded(some.vectors, size), context)


@runtime_checkable
class Decodes(Protocol):
    """Decodes latent points to items, for walks and the column `latent`.

    `generator(noise, given)` is `decode(latents(noise, given))`.
    """

    @property
    def latent_dim(self) -> int:
        """D, the length of a latent vector."""
        ...

    def latents(self, noise: Noise, given: Conditions) -> Points:
        """The points of N rows, on the device of `noise`; N is not limited to the micro-batch."""
        ...

    def decode(self, points: Points) -> Tensor:
        """Items as `Generator.__call__` returns them. `points` is a whole micro-batch, on any
        device."""
        ...

    def between(self, points: Points) -> Points:
        """Points of the same items whose vectors and context are float and may be interpolated, on
        the CPU."""
        ...


@runtime_checkable
class Encodes(Decodes, Protocol):
    """Encodes items to latent points, for variations and edits of uploaded items."""

    def encode(self, items: Tensor, given: Conditions) -> Tensor:
        """Network tensors (N, ...) to vectors float32 (N, D) on the CPU, in the decoder's input
        space."""
        ...

    def locate(self, encoded: Tensor, given: Conditions) -> Points:
        """Points in the form of `between` that the decoder maps to `encoded` (N, D)."""
        ...

    def turned(self, encoded: Tensor, given: Conditions, becomes: Conditions) -> Points:
        """Points in the form of `between` with the conditions `becomes`, as similar as possible to
        `encoded` (N, D), the vectors of items with the conditions `given`."""
        ...

    def near(self, point: Points, noise: Noise, given: Conditions, strength: float) -> Points:
        """`point` (one row, from `locate`) moved the fraction `strength` in 0..1 towards the points
        of `noise`; one result for each row of `noise` and `given`."""
        ...


@runtime_checkable
class Scores(Protocol):
    """Scores the realism of items."""

    def score(self, items: Tensor, given: Conditions) -> Tensor:
        """Network tensors (N, ...) to float32 (N,) on the CPU, higher is more real. For a fixed N,
        row i depends on row i only."""
        ...


@dataclass(frozen=True)
class Family:
    """A kind of model: one entry of `FAMILIES`.

    Every command imports the module that defines it, so it must import torch inside `load` only.
    """

    spec: type[ModelSpec]
    """Spec of the fields under `model:`, stored in `config.json` as `architecture`."""
    title: str
    """Name for users: `Generative adversarial network`."""
    takes: Callable[[ModelConfig], tuple[str, ...]]
    """Returns the names of the `CONDITIONS` that a model takes, from its configuration."""
    load: Callable[[ModelConfig, Tensors, InferenceConfig], Generator]
    """Returns the generator, which may also implement `Decodes`, `Encodes` and `Scores`. Raises
    StoreError if tensors are missing, superfluous or of another shape."""
    sampling: type[Spec] = Spec
    """Sampling settings: numbers or None. The generator receives each in `given` as float64 (N,),
    NaN in rows where it is not set; it is absent if no row sets it."""
    settings: Callable[[ModelConfig], tuple[str, ...]] | None = None
    """Returns the names of the fields of `sampling` that a model takes, from its configuration;
    None means all."""
    able: Callable[[ModelConfig], tuple[type, ...]] = lambda config: ()
    """Returns the protocols that a generator will have, from its configuration; for listings of
    models that are not loaded."""
    learner: str | None = None
    """`package.module:Class` of the `Learner` that trains it; None if models of the family can only
    be imported. A name, because this package must not import the training package."""
    recipes: tuple[str, ...] = ()
    """Presets in `aigc.presets` that train this family."""
