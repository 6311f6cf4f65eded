"""Shared by both imports: build a valid configuration, and check that rows are independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from aigc.conditions.base import Conditions
from aigc.errors import AigcError, SpecError, StoreError
from aigc.families.config import ModelConfig
from aigc.families.independence import (
    DependentRowsError,
    RoundingRowsError,
    require_independent,
    require_varied,
)
from aigc.families.noise import Noise
from aigc.families.onnx_generator import network_shape
from aigc.families.protocol import Generator, ModelSpec
from aigc.isolated.frames import Array
from aigc.modalities import MODALITIES
from aigc.modalities.base import ItemType

CHECKED_ROWS = 16
_SEED = 2**63 + 5
"""Beyond every seed a user can give."""


@dataclass(frozen=True)
class ImportNotes:
    """Findings of an import."""

    sample: Array
    """float32 (N, C, …), network tensors of the first items."""
    facts: dict[str, str] = field(default_factory=dict)
    """Lines of the card, by name."""
    remarks: tuple[str, ...] = ()
    """Remarks for the user, one line each."""


def config_of(item: ItemType, model: ModelSpec, labels: tuple[str, ...]) -> ModelConfig:
    """The configuration of a model that makes `item`. Raises SpecError if no modality has it."""
    reasons = []
    for name, modality in MODALITIES.items():
        try:
            sizes = modality.learning.sizes.of(item)
            if sizes.item == item:
                own = {**sizes.model_dump(), "modality": name}
                return ModelConfig(architecture=model, labels=labels, **own)
            reasons.append(f"{modality.title}: are {sizes.item.dtype}")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            reasons.append(f"{modality.title}: {place} = {first['input']!r}: {first['msg']}")
        except ValueError:
            reasons.append(f"{modality.title}: have another number of axes")
    why = "; ".join(reasons)
    raise SpecError(f"items are {item.dtype} of {item.shape}, which no modality has ({why})")


def candidates(numbers: Sequence[int], labels: int) -> tuple[Noise, Conditions]:
    """Noise and labels for the items `numbers`."""
    counters = np.array(numbers, np.int64)
    noise = Noise(np.full(len(counters), _SEED, np.uint64), counters)
    if not labels:
        return noise, Conditions(len(counters), {})
    return noise, Conditions(len(counters), {"label": torch.from_numpy(counters % labels)})


def require_rows(
    generator: Generator, config: ModelConfig, name: str, rows: int = CHECKED_ROWS
) -> ImportNotes:
    """Check that items are finite, varied, of the right shape and independent of each other.

    Raises:
        RoundingRowsError: items depend on their place in the batch, by rounding only.
        StoreError: items depend on others, or contradict the configuration.
    """
    labels = len(config.labels) if config.conditional else 0

    def make(numbers: Sequence[int]) -> Array:
        try:
            with torch.inference_mode():
                made = generator(*candidates(numbers, labels))
        except AigcError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise StoreError(f"{name}: fails: {reason}") from error
        return _checked(made, len(numbers), config, name)

    try:
        items = require_independent(make, rows)
        require_varied(make([number * max(1, labels) for number in range(rows)]))
    except RoundingRowsError:
        raise
    except DependentRowsError as error:
        raise StoreError(f"{name}: refused: {error}") from None
    return ImportNotes(items)


def _checked(made: Any, rows: int, config: ModelConfig, name: str) -> Array:
    expected = (rows, *network_shape(config.item.shape))
    if not isinstance(made, torch.Tensor) or made.dtype != torch.float32:
        kind = made.dtype if isinstance(made, torch.Tensor) else type(made).__name__
        raise StoreError(f"{name}: gives {kind}; expected a tensor of float32")
    if tuple(made.shape) != expected:
        shown = " × ".join(map(str, made.shape))
        right = " × ".join(map(str, expected))
        raise StoreError(f"{name}: gives the shape {shown} for {rows} rows; expected {right}")
    if not torch.isfinite(made).all():
        raise StoreError(f"{name}: gives values that are not finite (NaN or infinite)")
    return made.cpu().numpy()
