"""All gates that judge an item by itself, as one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aigc.errors import JobError, SpecError
from aigc.families.protocol import Generator, Scores
from aigc.generation.gates import classifiers, safety
from aigc.generation.gates.degenerate import degenerate
from aigc.generation.gates.fitting import open_data
from aigc.generation.gates.memorisation import TrainingImages
from aigc.generation.gates.realism import ByDensity, ByModel, Realism, Scorer
from aigc.generation.gates.safety import unsafe
from aigc.job.keys import Samples
from aigc.modalities import Delivery, ItemType, modality_of
from aigc.specs import Gates, RealismGate

Mask = npt.NDArray[np.bool_]
Refuse = Callable[[Samples, dict[str, Realism]], dict[str, Mask]]
"""A gate: samples and their scores to the rows refused, bool (N,), by reason."""


@dataclass(frozen=True)
class GateResult:
    """Of N samples: `keep` bool (N,), for each refused one the reason of the first gate that
    refuses it, and `scores` float32 (N,) by name: `realism`, `safety`."""

    keep: Mask
    reasons: list[str | None]
    scores: dict[str, Realism]


@dataclass(frozen=True)
class GateSet:
    """Every gate is asked about every sample; their order only decides whose reason counts."""

    gates: tuple[Refuse, ...]
    scorers: Mapping[str, Scorer] = field(default_factory=dict)

    def __call__(self, samples: Samples) -> GateResult:
        scores = {name: scorer(samples) for name, scorer in self.scorers.items()}
        reasons: list[str | None] = [None] * len(samples)
        keep = np.ones(len(samples), bool)
        for gate in self.gates:
            for reason, refused in gate(samples, scores).items():
                for row in np.flatnonzero(refused & keep).tolist():
                    reasons[row] = reason
                keep &= ~refused
        return GateResult(keep, reasons, scores)


def load_gates(
    gates: Gates,
    include_scores: bool,
    generator: Generator,
    delivery: Delivery,
    device: str = "cpu",
) -> GateSet:
    """The gate set of a job. `include_scores` without a realism gate takes the model's own scores
    if it has any.

    Raises:
        SpecError: a gate cannot work with this model or this data.
    """
    asked: list[Refuse] = []
    if gates.degenerate is not None:
        flat = gates.degenerate
        asked.append(lambda samples, scores: degenerate(samples, flat, delivery))
    if gates.realism is not None:
        least = gates.realism.threshold
        if least is None:
            raise SpecError("gates.realism.percentile is not resolved: measure it on a probe first")
        asked.append(lambda samples, scores: {"realism": ~(scores["realism"] >= least)})
    if gates.memorisation is not None:
        wanted = gates.memorisation
        data = open_data("memorisation", wanted.data)
        known = TrainingImages(data, wanted.rmse, device)
        asked.append(lambda samples, scores: {"memorised": known.near(samples.items)})
    scorers: dict[str, Scorer] = {}
    if (scorer := _scorer(gates.realism, include_scores, generator, device)) is not None:
        scorers["realism"] = scorer
    if gates.safety is not None:
        safe = gates.safety
        scorers["safety"] = safety.scorer_of(safe, modality_of(generator.item))
        if safe.policy == "refuse":
            asked.append(lambda samples, scores: {safety.REASON: unsafe(scores["safety"], safe)})
    return GateSet(tuple(asked), scorers)


def require(
    gates: Gates, include_scores: bool, load: Callable[[], Generator], item: ItemType | None = None
) -> None:
    """See that the gates can work with this model, whose items are `item`, and with their data sets
    and classifier, before a job starts. `load` is called only if the model itself has to score, or
    if there is no `item`.

    Raises:
        SpecError: names the field.
    """
    data_digests(gates)
    if gates.safety is not None:
        classifiers.opened(gates.safety, modality_of(item or load().item)).close()
    if gates.realism is None and include_scores and not isinstance(load(), Scores):
        raise SpecError(
            "include = scores: the model has no discriminator; leave scores out, or set "
            "gates.realism with score density"
        )
    if gates.realism is not None and gates.realism.score == "discriminator":
        _own_scores(load())


def data_digests(gates: Gates) -> dict[str, str]:
    """What the data sets that gates compare with hold, by gate, and the SHA-256 of the classifier
    of `safety`. Raises SpecError."""
    sets = {name: uri for name, uri in gates.data.items() if name != "safety"}
    found = {name: open_data(name, uri).digest for name, uri in sets.items()}
    return found | ({"safety": classifiers.digest(gates.safety)} if gates.safety else {})


def resolve(gates: Gates, generator: Generator, probe: Samples, device: str = "cpu") -> Gates:
    """`gates` with the realism percentile turned into the threshold that `probe` gives it.

    Raises:
        SpecError: see `load_gates`.
        JobError: the model makes nothing that has a score.
    """
    realism = gates.realism
    if realism is None or realism.percentile is None:
        return gates
    scorer = _scorer(realism, False, generator, device)
    assert scorer is not None
    scores = scorer(probe)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        raise JobError("gates.realism.percentile: none of the model's items has a finite score")
    threshold = float(np.percentile(scores.astype(np.float64), realism.percentile))
    absolute = realism.model_copy(update={"percentile": None, "threshold": threshold})
    return gates.model_copy(update={"realism": absolute})


def _scorer(
    realism: RealismGate | None, include_scores: bool, generator: Generator, device: str
) -> Scorer | None:
    if realism is None:
        own = include_scores and isinstance(generator, Scores)
        return _own_scores(generator) if own else None
    if realism.score == "discriminator":
        return _own_scores(generator)
    assert realism.data is not None
    return ByDensity(open_data("realism", realism.data), device)


def _own_scores(generator: Generator) -> Scorer:
    if not isinstance(generator, Scores):
        raise SpecError(
            "gates.realism.score = discriminator: the model was published without a "
            "discriminator; train and publish it anew, or use realism score: density"
        )
    return ByModel(generator, modality_of(generator.item).learning)
