"""All gates that judge a picture by itself, as one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import DataError, JobError, SpecError, StoreError
from aigc.generation.gates.degenerate import degenerate
from aigc.generation.gates.memorisation import TrainingImages
from aigc.generation.gates.realism import ByDensity, ByDiscriminator, Scorer, Scores
from aigc.job.keys import Samples
from aigc.models import DISCRIMINATOR_PREFIX, ModelConfig
from aigc.specs import Gates, RealismGate

Mask = npt.NDArray[np.bool_]
Tensors = dict[str, Tensor]
Refuse = Callable[[Samples, dict[str, Scores]], dict[str, Mask]]
"""A gate: pictures and their scores to the rows refused, bool (N,), by reason."""


@dataclass(frozen=True)
class GateResult:
    """What gates say of N pictures: `keep` bool (N,), for each refused one the reason of the first
    gate that refuses it, and `scores` float32 (N,) by name."""

    keep: Mask
    reasons: list[str | None]
    scores: dict[str, Scores]


@dataclass(frozen=True)
class GateSet:
    """Every gate is asked about every picture; their order only decides whose reason counts."""

    gates: tuple[Refuse, ...]
    scorer: Scorer | None = None

    def __call__(self, pictures: Samples) -> GateResult:
        scores = {"realism": self.scorer(pictures)} if self.scorer is not None else {}
        reasons: list[str | None] = [None] * len(pictures)
        keep = np.ones(len(pictures), bool)
        for gate in self.gates:
            for reason, refused in gate(pictures, scores).items():
                for row in np.flatnonzero(refused & keep).tolist():
                    reasons[row] = reason
                keep &= ~refused
        return GateResult(keep, reasons, scores)


def load_gates(
    gates: Gates, include_scores: bool, config: ModelConfig, tensors: Tensors, device: str = "cpu"
) -> GateSet:
    """The judge of a job. `include_scores` without a realism gate scores by the discriminator if
    the model has one.

    Raises:
        SpecError: a gate cannot work with this model or this data.
    """
    asked: list[Refuse] = []
    if gates.degenerate is not None:
        flat = gates.degenerate
        asked.append(lambda pictures, scores: degenerate(pictures, flat))
    if gates.realism is not None:
        least = gates.realism.threshold
        if least is None:
            raise SpecError("gates.realism.percentile is not resolved: measure it on a probe first")
        asked.append(lambda pictures, scores: {"realism": ~(scores["realism"] >= least)})
    if gates.memorisation is not None:
        wanted = gates.memorisation
        data = _open("memorisation", wanted.data)
        known = TrainingImages(data, wanted.rmse, device)
        asked.append(lambda pictures, scores: {"memorised": known.near(pictures.pixels)})
    return GateSet(tuple(asked), _scorer(gates.realism, include_scores, config, tensors, device))


def require(gates: Gates, include_scores: bool, config: ModelConfig, tensors: Tensors) -> None:
    """See that the gates can work with this model and their data sets, before a job starts.

    Raises:
        SpecError: names the field.
    """
    data_digests(gates)
    if gates.realism is None and include_scores:
        _require_scores(tensors)
    if gates.realism is not None and gates.realism.score == "discriminator":
        _by_discriminator(config, tensors, "cpu")


def data_digests(gates: Gates) -> dict[str, str]:
    """What the data sets that gates compare with hold, by gate. Raises SpecError."""
    return {name: _open(name, uri).digest for name, uri in gates.data.items()}


def _require_scores(tensors: Tensors) -> None:
    if not any(name.startswith(DISCRIMINATOR_PREFIX) for name in tensors):
        raise SpecError(
            "include = scores: the model has no discriminator; leave scores out, or set "
            "gates.realism with score density"
        )


def resolve(
    gates: Gates, config: ModelConfig, tensors: Tensors, probe: Samples, device: str = "cpu"
) -> Gates:
    """`gates` with the realism percentile turned into the threshold that `probe` gives it.

    Raises:
        SpecError: see `load_gates`.
        JobError: the model makes nothing that has a score.
    """
    realism = gates.realism
    if realism is None or realism.percentile is None:
        return gates
    scorer = _scorer(realism, False, config, tensors, device)
    assert scorer is not None
    scores = scorer(probe)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        raise JobError("gates.realism.percentile: none of the model's images has a finite score")
    threshold = float(np.percentile(scores.astype(np.float64), realism.percentile))
    absolute = realism.model_copy(update={"percentile": None, "threshold": threshold})
    return gates.model_copy(update={"realism": absolute})


def _scorer(
    realism: RealismGate | None,
    include_scores: bool,
    config: ModelConfig,
    tensors: Tensors,
    device: str,
) -> Scorer | None:
    if realism is None:
        there = any(name.startswith(DISCRIMINATOR_PREFIX) for name in tensors)
        return ByDiscriminator(config, tensors, device) if include_scores and there else None
    if realism.score == "discriminator":
        return _by_discriminator(config, tensors, device)
    assert realism.data is not None
    return ByDensity(_open("realism", realism.data), device)


def _by_discriminator(config: ModelConfig, tensors: Tensors, device: str) -> Scorer:
    try:
        return ByDiscriminator(config, tensors, device)
    except StoreError as error:
        raise SpecError(f"gates.realism.score = discriminator: {error}") from None


def _open(gate: str, uri: str) -> Dataset:
    try:
        return open_dataset(uri)
    except DataError as error:
        raise SpecError(
            f"gates.{gate}.data = {uri}: {str(error).removeprefix(f'{uri}: ')}"
        ) from None
