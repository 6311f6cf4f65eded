"""`aigc bench train`: `aigc train`, its loop alone, and the loop a user would write in PyTorch.

All train the same networks on the same data with the same recipe on the same machine, in turn,
round after round. A round's figures are of the steps after the first `log_every`, which load
libraries and fill caches, and count everything that happens within: logging, sheets, checkpoints.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from aigc.bench.processes import timed
from aigc.bench.rounds import RIVALS, ratio
from aigc.cpus import usable_cpus
from aigc.errors import JobError, SpecError
from aigc.families.gan import GanModel
from aigc.specs import TrainSpec, dump
from aigc.training.device import has_fast_bf16, training_device
from aigc.types import Json, Notice, no_notice

_LOOP = "aigc.bench.training_loop"
_BARE = f"{RIVALS}.bare_training"


@dataclass(frozen=True)
class TrainBench:
    """What to measure: `steps` steps of `spec`, whose own limits and places are replaced."""

    spec: TrainSpec
    steps: int = 200
    rounds: int = 3
    workers: int = 1
    ray: bool = True
    """Also run `aigc train`, which starts its workers on Ray."""
    compiled: bool = False
    """Also run the bare loop with torch.compile."""

    @property
    def contenders(self) -> list[str]:
        names = {"train": self.ray, "loop": True, "bare": True, "compiled": self.compiled}
        return [name for name, wanted in names.items() if wanted]


def run(bench: TrainBench, notice: Notice = no_notice) -> Json:
    """Medians over interleaved rounds, ratios of step times within rounds, and the rounds.

    Raises:
        SpecError: the model is no GAN, or the batch cannot be divided among the workers.
        JobError: a contender failed.
    """
    _check(bench.spec, bench.workers)
    bench = dataclasses.replace(bench, spec=_comparable(bench.spec, notice))
    rounds: list[Json] = []
    for number in range(bench.rounds):
        found: Json = {}
        for name in _in_turn(bench.contenders, number):
            found |= _once(name, bench)
        rounds.append(found)
        steps = [f"{name} {found[f'{name}_step_ms']:,.1f} ms" for name in bench.contenders]
        notice(f"round {number + 1}: " + ", ".join(steps))
    return _summary(bench, rounds)


def _in_turn(names: list[str], number: int) -> list[str]:
    """Rotate the order in each round, so that slowdowns within a round affect all alike."""
    first = number % len(names)
    return names[first:] + names[:first]


def _check(spec: TrainSpec, workers: int) -> None:
    if not isinstance(spec.model, GanModel):
        raise SpecError(
            f"model.family {spec.model.family}: bench train compares GANs only; use gan"
        )
    if spec.batch_size % workers:
        raise SpecError(
            f"batch_size {spec.batch_size} cannot be divided by {workers} workers; "
            "choose a multiple"
        )


def _comparable(spec: TrainSpec, notice: Notice) -> TrainSpec:
    """`spec` without what the bare loop does not have."""
    assert isinstance(spec.model, GanModel)
    plain = {"accumulate": 1, "flip": False, "class_balance": 0.0}
    dropped = [name for name, value in plain.items() if getattr(spec, name) != value]
    if dropped:
        notice(f"measured without {', '.join(dropped)}, which the bare loop does not have")
    return spec.model_copy(update=plain)


def _once(name: str, bench: TrainBench) -> Json:
    """One run of one contender in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="aigc-bench-") as folder:
        spec = _spec(bench, folder)
        path = Path(folder, "spec.yaml")
        path.write_text(dump(spec), encoding="utf-8")
        wall_s, peak, output = timed(
            _command(name, str(path), bench), OMP_NUM_THREADS=str(_threads(bench))
        )
        found = _logged(folder) if name == "train" else json.loads(output.splitlines()[-1])
    figures = {
        "step_ms": 1000 * _per_step(found["elapsed_s"], spec.log_every),
        "images_per_s": spec.batch_size / _per_step(found["elapsed_s"], spec.log_every),
        "first_steps_s": found["elapsed_s"][0],
        "wall_s": wall_s,
        "peak_rss_bytes": peak,
    }
    if "cpu_s" in found:
        figures["cpu_ms"] = 1000 * _per_step(found["cpu_s"], spec.log_every)
    return {f"{name}_{key}": value for key, value in figures.items()}


def _spec(bench: TrainBench, folder: str) -> TrainSpec:
    """The recipe with as many steps as are measured after the first `log_every`."""
    spec = bench.spec
    fast = spec.precision == "bf16" or (
        spec.precision == "auto" and has_fast_bf16(training_device())
    )
    placement = spec.placement.model_copy(
        update={"workers": bench.workers, "cpus_per_worker": float(_threads(bench))}
    )
    update = {
        "name": "bench",
        "out": str(Path(folder, "run")),
        "steps": spec.log_every * (1 + math.ceil(bench.steps / spec.log_every)),
        "max_seconds": None,
        "precision": "bf16" if fast else "fp32",
        "publish": False,
        "placement": placement,
    }
    return spec.model_copy(update=update)


def _threads(bench: TrainBench) -> int:
    """Threads per worker: the cores are divided evenly."""
    return max(1, usable_cpus() // bench.workers)


def _command(name: str, spec: str, bench: TrainBench) -> list[str]:
    if name == "train":
        return [sys.executable, "-m", "aigc", "train", spec, "--json"]
    launcher = [sys.executable]
    if bench.workers > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(bench.workers)]
    if name == "loop":
        return [*launcher, "-m", _LOOP, spec]
    return [*launcher, "-m", _BARE, spec, *(["--compile"] if name == "compiled" else [])]


def _logged(folder: str) -> Json:
    """`elapsed_s` of the logged steps."""
    text = Path(folder, "run", "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return {"elapsed_s": [line["elapsed_s"] for line in lines if "elapsed_s" in line]}


def _per_step(seconds: list[float], log_every: int) -> float:
    """Mean seconds of a step after the first `log_every`; `seconds` are of each `log_every`-th."""
    if len(seconds) < 2:
        raise JobError(f"{len(seconds)} logged steps are too few to measure; raise --steps")
    return (seconds[-1] - seconds[0]) / ((len(seconds) - 1) * log_every)


def _summary(bench: TrainBench, rounds: list[Json]) -> Json:
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    ratios = {
        f"{name}_to_bare": ratio(rounds, f"{name}_step_ms", "bare_step_ms")
        for name in bench.contenders
        if name != "bare"
    }
    ratios["loop_to_bare_cpu"] = ratio(rounds, "loop_cpu_ms", "bare_cpu_ms")
    spec = bench.spec
    return {
        "data": spec.data,
        "steps": bench.steps,
        "batch_size": spec.batch_size,
        "workers": bench.workers,
        "threads": _threads(bench),
        "device": str(training_device()),
        "torch": torch.__version__,
        **medians,
        "ratios": ratios,
        "rounds": rounds,
    }
