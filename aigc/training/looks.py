"""One look at a run: samples of the averaged model against held-out and training pictures."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from aigc.data.dataset import Dataset
from aigc.evaluation.collapse import similarity
from aigc.evaluation.extractor import extractor_for
from aigc.evaluation.kid import squared_mmd
from aigc.evaluation.prdc import Prdc, prdc
from aigc.evaluation.reference import real_features
from aigc.evaluation.stages import StageProgress
from aigc.families.config import ModelConfig
from aigc.modalities.learning import Extractor, Features
from aigc.specs import TrainSpec
from aigc.specs.evaluate import MIN_IMAGES
from aigc.training.health import spread
from aigc.training.margin import Margin
from aigc.training.step_random import StepRandom
from aigc.training.view import view_of
from aigc.types import Json, Labels, silent

_BATCH = 64
_NEIGHBOURS = 5
_LEAST_PICTURES = 3

NAN = math.nan


@dataclass(frozen=True)
class LookMetrics:
    """Of samples against held-out pictures. NaN where a figure could not be taken."""

    kid: float = NAN
    """Kernel distance on the features of `aigc evaluate`; 0 for the same distribution."""
    coverage: float = NAN
    recall: float = NAN
    neighbour_spread: float = NAN
    """Median distance to the fifth neighbour among the samples, over that of real pictures."""
    repeated: float = NAN
    """Share of samples that are near copies of another."""
    class_spread: float = NAN
    """Deviation of pixels about their class's mean, over that of real pictures."""
    overfitting: float = NAN
    """The discriminator's margin: (D(train) - D(held out)) / (D(train) - D(fake))."""
    overfitting_low: float = NAN
    """The same with the held-out mean two standard errors higher: what few pictures prove."""

    def to_json(self) -> Json:
        """None for NaN."""
        return {name: v if math.isfinite(v) else None for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, values: Json) -> LookMetrics:
        return cls(**{name: NAN if value is None else value for name, value in values.items()})


FIGURES = tuple(field.name for field in dataclasses.fields(LookMetrics))


@dataclass(frozen=True)
class Look:
    """What was seen at `step`, and what real pictures reach in the samples' place (the floor)."""

    step: int
    images: int
    figures: LookMetrics
    baseline: LookMetrics
    seconds: float = 0.0
    """What it took, with the sampler's prior."""

    def numbers(self) -> list[float]:
        """All that other workers cannot know, for `Group.agree`."""
        return [self.seconds, *vars(self.figures).values(), *vars(self.baseline).values()]

    @classmethod
    def of_numbers(cls, step: int, images: int, numbers: list[float]) -> Look:
        """Figures have five digits from here on."""
        seconds, rest = numbers[0], [float(f"{value:.5g}") for value in numbers[1:]]
        figures, baseline = LookMetrics(*rest[: len(FIGURES)]), LookMetrics(*rest[len(FIGURES) :])
        return cls(step, images, figures, baseline, seconds)

    def to_json(self) -> Json:
        figures, baseline = self.figures.to_json(), self.baseline.to_json()
        return {"step": self.step, "images": self.images, "figures": figures, "floor": baseline}

    @classmethod
    def from_json(cls, value: Json) -> Look:
        figures, baseline = (LookMetrics.from_json(value[key]) for key in ("figures", "floor"))
        return cls(value["step"], value["images"], figures, baseline)


NUMBERS = 1 + 2 * len(FIGURES)


@dataclass(frozen=True)
class _Real:
    """Some pictures of one split."""

    split: str
    pictures: Tensor
    """As networks see them, float32 (N, C, H, W) on the CPU."""
    labels: Labels
    features: Features


class Looker:
    """Takes looks. Always the same pictures and latents, so looks differ by the model alone."""

    def __init__(
        self,
        spec: TrainSpec,
        config: ModelConfig,
        dataset: Dataset,
        device: torch.device,
        discriminator: nn.Module | None,
    ) -> None:
        self._spec, self._config, self._dataset, self._device = spec, config, dataset, device
        self._margin = Margin(dataset, spec, device, discriminator) if discriminator else None
        held_out = dataset.counts.get("test", 0)
        self._split = "test" if held_out >= MIN_IMAGES else "train"
        self.note = ""
        """What the user has to know about the pictures that are compared with."""
        if self._split == "train":
            self.note = (
                f"{held_out} held-out {dataset.title} are fewer than {MIN_IMAGES}, so samples are "
                f"compared with training {dataset.title} and a model that copies them seems good"
            )

    @torch.no_grad()
    def look(self, sampler: nn.Module, step: int, images: int) -> Look:
        """`sampler` in eval mode: (B, latent_dim), int64 (B,) to float (B, C, H, W) in [-1, 1]."""
        baseline = self._floor
        labels = torch.from_numpy(self._labels)
        pictures = self._draw(sampler, labels)
        if not pictures.isfinite().all():
            return Look(step, images, LookMetrics(), baseline)
        found = self._compare(self._extractor.of_pictures(pictures))
        real = self._real.pictures
        of_real = float(spread(real, torch.from_numpy(self._real.labels)))
        if of_real > 1e-3:
            ratio = float(spread(pictures, labels)) / of_real
            found = dataclasses.replace(found, class_spread=ratio)
        if self._margin:
            ratio, low = self._margin.of(pictures, labels)
            found = dataclasses.replace(found, overfitting=ratio, overfitting_low=low)
        return Look(step, images, found, baseline)

    def _draw(self, sampler: nn.Module, labels: Tensor) -> Tensor:
        """float (N, C, H, W) on the CPU."""
        z = StepRandom(self._spec.seed, 0).normal("look", len(labels), self._config.latent_dim or 0)
        parts = []
        for start in range(0, len(labels), _BATCH):
            rows = slice(start, start + _BATCH)
            label = labels[rows].to(self._device) if self._config.conditional else None
            parts.append(sampler(z[rows].to(self._device), label).float().cpu())
        return torch.cat(parts)

    def _compare(self, features: Features) -> LookMetrics:
        real = self._real.features
        if len(real) < _LEAST_PICTURES:
            return LookMetrics()
        kid = squared_mmd(torch.from_numpy(real), torch.from_numpy(features))
        found = self._prdc(features)
        alike = similarity(found, self._floor_manifolds)
        return LookMetrics(
            kid,
            float(found.coverage.mean()),
            float(found.recall.mean()),
            alike["spread"]["model"],
            alike["repeated"]["model"],
        )

    def _prdc(self, features: Features) -> Prdc:
        real = self._real.features
        return prdc(real, features[: len(real)], min(_NEIGHBOURS, len(real) - 1))

    @functools.cached_property
    def _floor(self) -> LookMetrics:
        return dataclasses.replace(self._compare(self._train.features), class_spread=1.0)

    @functools.cached_property
    def _floor_manifolds(self) -> Prdc:
        return self._prdc(self._train.features)

    @functools.cached_property
    def _labels(self) -> Labels:
        """(samples,) in random order, each class as often as among the pictures compared with; none
        that has no training pictures."""
        config, labels = self._config, self._real.labels
        usual = np.array([config.labels.index(name) for name in config.usual], np.int64)
        if config.conditional and np.isin(labels, usual).any():
            labels = labels[np.isin(labels, usual)]
        order = np.random.default_rng(self._spec.seed).permutation(len(labels))
        return np.resize(labels[order], self._spec.watch.samples)

    @functools.cached_property
    def _extractor(self) -> Extractor:
        with torch.random.fork_rng(devices=[]):
            return extractor_for(self._dataset, str(self._device))

    @functools.cached_property
    def _real(self) -> _Real:
        return self._read(self._split)

    @functools.cached_property
    def _train(self) -> _Real:
        return self._real if self._split == "train" else self._read("train")

    def _read(self, split: str) -> _Real:
        counts = self._dataset.counts
        splits = {self._split, "train"}
        count = min(self._spec.watch.samples, *(counts[name] for name in splits))
        items, labels = self._dataset.read(split, count, self._spec.seed)
        found = real_features(
            self._dataset, split, count, self._spec.seed, self._extractor, StageProgress(silent, 0)
        )
        return _Real(split, view_of(self._dataset)(items), labels, found.features)
