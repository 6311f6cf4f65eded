"""Setup of a generation worker on any backend: loads the model once and runs units."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from aigc.families.config import ModelConfig
from aigc.families.protocol import Device, InferenceConfig
from aigc.generation import finishing
from aigc.generation import gates as gating
from aigc.generation.engine import Engine
from aigc.generation.finishing import Finisher
from aigc.generation.gates import load_gates
from aigc.generation.item_generator import ItemGenerator
from aigc.generation.pipeline import OnItems
from aigc.job.briefs import Briefs
from aigc.job.keys import SampleKeys
from aigc.job.plan import Job
from aigc.provenance.secrets import Secrets
from aigc.specs import Gates
from aigc.store import ModelStore, ModelVersion

Tensors = dict[str, torch.Tensor]
_warn = logging.getLogger("aigc").warning


@dataclass(frozen=True)
class ShardSetup:
    """Created by the driver, called by each worker."""

    job: Job
    version: ModelVersion
    out: str
    briefs: Briefs | None = None
    tensors: Tensors | None = None
    """Weights, sent to a cluster whose nodes may not reach the store; None: workers load them."""
    secrets: Secrets | None = None
    """What signs. On a cluster it goes another way, see `ClusterBackend`."""
    signs: bool = True
    """False: files stay as they are before signing."""

    def portable(self) -> ShardSetup:
        """A copy that contains the weights, and no secrets."""
        tensors = self.tensors or ModelStore().load(self.version)
        return replace(self, tensors=tensors, secrets=None)

    def __call__(self, threads: int) -> Callable[[Any, Callable[[int], None]], Any]:
        torch.set_num_threads(threads)
        environment = os.environ if self.secrets is None else self.secrets
        tensors = self.tensors or ModelStore().load(self.version)
        item_generator = make_item_generator(
            self.job,
            self.version.config,
            tensors,
            self.briefs,
            finishing.of_job(self.job, environment, _warn, signs=self.signs),
            threads=threads,
        )
        return lambda unit, on_items: unit(item_generator, self.out, on_items)


@dataclass(frozen=True)
class MeasureGates:
    """A unit that resolves the percentiles of gates on the samples `keys`."""

    gates: Gates
    keys: SampleKeys

    def __str__(self) -> str:
        return "measuring the gates' thresholds"

    def __call__(self, item_generator: ItemGenerator, out: str, on_items: OnItems) -> Gates:
        probe = item_generator.engine.render(self.keys)
        return gating.resolve(
            self.gates, item_generator.engine.generator, probe, item_generator.job.device
        )


def device_here(job: Job) -> Device:
    """Device to regenerate items on: that of `job` if this machine has it, else the CPU."""
    return "cuda" if job.device == "cuda" and torch.cuda.is_available() else "cpu"


def make_item_generator(
    job: Job,
    config: ModelConfig,
    tensors: Tensors,
    briefs: Briefs | None,
    finisher: Finisher | None = None,
    *,
    judged: bool = True,
    threads: int = 1,
) -> ItemGenerator:
    """`judged=False` omits the gates, to regenerate candidates that have passed; without `finisher`
    it is the job's, with what signs from this process's environment.

    With a GPU, at least two threads encode while it renders. On CPUs, encoding follows rendering:
    running both concurrently measured slower.
    """
    engine = Engine(config, tensors, InferenceConfig(job.micro_batch, job.precision, job.device))
    scores = "scores" in job.include
    wanted = judged and (job.gates.local or scores)
    gates = (
        load_gates(job.gates, scores, engine.generator, job.delivery, job.device)
        if wanted
        else None
    )
    encoders = 1 if job.device == "cpu" else max(2, threads)
    finisher = finisher or finishing.of_job(job, os.environ)
    return ItemGenerator(job, briefs, engine, gates, finisher, encoders)
