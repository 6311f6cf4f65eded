"""`aigc bench provenance`: what marking and signing add to the making of files.

One process renders items and makes them into files without marks, with metadata, and with metadata
and a signature under a test key, in turn, round after round. CPU time of one thread is compared,
which other work on the machine disturbs less than wall time.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aigc.bench.rounds import ratio
from aigc.execution.planning import plan_job
from aigc.families.protocol import InferenceConfig
from aigc.generation import finishing
from aigc.generation.engine import Engine, best_precision
from aigc.generation.item_generator import ItemGenerator
from aigc.output.generated import GeneratedBatch
from aigc.provenance.extra import require_credentials
from aigc.provenance.secrets import CERTIFICATE, KEY
from aigc.specs import GenerateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Notice, no_notice

VARIANTS: dict[str, Json] = {
    "unmarked": {"profile": "none", "reason": "to be compared with"},
    "metadata": {"profile": "default"},
    "signed": {"profile": "eu", "credentials": {}},
    "watermark": {"profile": "default", "watermark": "spread"},
}

_RENDER = "render"


@dataclass(frozen=True)
class ProvenanceBench:
    """What to measure: `items` of each variant in each round, in one process with one thread."""

    model: str
    items: int = 512
    rounds: int = 5
    codec: str = "png"
    variants: tuple[str, ...] = ("unmarked", "metadata", "signed")


def run(bench: ProvenanceBench, notice: Notice = no_notice) -> Json:
    """Medians of the rounds: CPU milliseconds of an item for rendering and for its file by variant,
    and the ratio of both together to those of the first variant.

    Raises CredentialsError where the packages that sign are missing.
    """
    require_credentials()
    torch.set_num_threads(1)
    makers = _makers(bench)
    rounds = [_round(makers, bench.items, notice) for _ in range(bench.rounds + 1)][1:]  # warm
    names = list(makers)
    medians = {name: statistics.median(one[name] for one in rounds) for name in [_RENDER, *names]}
    whole = [{name: one[_RENDER] + one[name] for name in names} for one in rounds]
    return {
        "model": bench.model,
        "items": bench.items,
        "cpu_ms_per_item": medians,
        "ratios": {name: ratio(whole, name, names[0]) for name in names[1:]},
        "bytes_per_item": {name: _bytes(maker) for name, maker in makers.items()},
        "rounds": rounds,
    }


def _round(makers: dict[str, ItemGenerator], items: int, notice: Notice) -> Json:
    """The same items, rendered once and made into files by each."""
    first, indices = next(iter(makers.values())), np.arange(items, dtype=np.int64)
    started = time.process_time()
    made = first.make(indices, np.zeros_like(indices))
    found = {_RENDER: (time.process_time() - started) * 1000 / items}
    for name, maker in makers.items():
        started = time.process_time()
        for part in maker.parts(made):
            _finished(maker, part)
        found[name] = (time.process_time() - started) * 1000 / items
    notice(", ".join(f"{name} {ms:.3f} ms" for name, ms in found.items()))
    return found


def _finished(maker: ItemGenerator, made: GeneratedBatch) -> list[bytes]:
    ids = maker.ids(made)
    return maker.signed(maker.files(made, ids), made.indices, ids).files


def _makers(bench: ProvenanceBench) -> dict[str, ItemGenerator]:
    """One engine for all."""
    version, environment = ModelStore().resolve(bench.model), _test_key()
    makers: dict[str, ItemGenerator] = {}
    engine: Engine | None = None
    for name in bench.variants:
        job = plan_job(_spec(bench, version, VARIANTS[name]), version, "cpu", best_precision("cpu"))
        if engine is None:
            inference = InferenceConfig(job.micro_batch, job.precision, "cpu")
            engine = Engine(version.config, ModelStore().load(version), inference)
        finisher = finishing.of_job(job, environment)
        makers[name] = ItemGenerator(job, None, engine, None, finisher)
    return makers


def _spec(bench: ProvenanceBench, version: ModelVersion, stated: Json) -> GenerateSpec:
    values: dict[str, Any] = {"model": version.ref, "out": "nowhere", "count": bench.items}
    return GenerateSpec.model_validate(values | {"codec": bench.codec, "provenance": stated})


def _test_key() -> dict[str, str]:
    from aigc.provenance.chains import issue, make_root  # noqa: PLC0415

    root = make_root("Benchmark")
    leaf = issue(root, "Benchmark", 1)
    chain = leaf.certificate_pem + root.certificate_pem
    return {CERTIFICATE: chain.decode(), KEY: leaf.key_pem.decode()}


def _bytes(maker: ItemGenerator) -> int:
    indices = np.arange(min(64, maker.job.count), dtype=np.int64)
    files = _finished(maker, maker.make(indices, np.zeros_like(indices)))
    return round(statistics.mean(map(len, files)))
