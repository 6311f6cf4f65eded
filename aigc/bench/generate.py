"""`aigc bench generate`: the roofline, `aigc generate`, and the pipeline a user would write.

All three make the same model's items on the same machine, in turn, round after round, because a
shared machine is never twice the same. Each runs as a user runs it: in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass

from torch import Tensor

from aigc.bench.processes import timed
from aigc.bench.roofline import RooflineLoad, measure
from aigc.bench.rounds import RIVALS, ratio
from aigc.cpus import usable_cpus
from aigc.families.config import ModelConfig
from aigc.generation.engine import best_precision
from aigc.modalities.learning import default_device
from aigc.output import commit
from aigc.store import ModelStore
from aigc.types import Json, Notice, no_notice

_BATCHES = (64, 128, 256)
_SEARCHED_ITEMS = 16_384


@dataclass(frozen=True)
class GenerateBench:
    """What to measure. `workers` processes share the machine's cores."""

    model: str
    items: int = 200_000
    rounds: int = 3
    workers: int = 2
    out: str | None = None
    """Where `generate` writes; None means a temporary folder on this disk."""
    ray_data: bool = True


def run(bench: GenerateBench, notice: Notice = no_notice) -> Json:
    """Medians over interleaved rounds, ratios, and the rounds themselves."""
    version = ModelStore().resolve(bench.model)
    tensors = ModelStore().load(version)
    batch = _best_batch(version.config, tensors, bench, notice)
    rounds: list[Json] = []
    for number in range(bench.rounds):
        load = _load(bench, batch, bench.items)
        roofline, stages = measure(version.config, tensors, load)
        found: Json = {"roofline_items_per_s": roofline, "stages": stages.__dict__}
        found |= once(bench, version.ref, number)
        if bench.ray_data:
            found |= _ray_data(bench, version.ref)
        rounds.append(found)
        notice(f"round {number + 1}: " + ", ".join(_shown(found)))
    return _summary(bench, version.ref, batch, rounds)


def _load(bench: GenerateBench, batch: int, items: int) -> RooflineLoad:
    threads = max(1, usable_cpus() // bench.workers)
    device = default_device()
    return RooflineLoad(items, bench.workers, threads, batch, best_precision(device), device)


def _best_batch(
    config: ModelConfig, tensors: dict[str, Tensor], bench: GenerateBench, notice: Notice
) -> int:
    """The fastest batch size on this machine, so that the roofline is the highest possible.

    Short runs skip the search.
    """
    if bench.items < _SEARCHED_ITEMS:
        return _BATCHES[1]
    items = min(bench.items, _SEARCHED_ITEMS)
    speeds = {batch: measure(config, tensors, _load(bench, batch, items))[0] for batch in _BATCHES}
    best = max(speeds, key=lambda batch: speeds[batch])
    notice("roofline by batch: " + ", ".join(f"{b}: {s:,.0f}/s" for b, s in speeds.items()))
    return best


def once(bench: GenerateBench, model: str, number: int) -> Json:
    """One `aigc generate`. Raises JobError."""
    with tempfile.TemporaryDirectory(prefix="aigc-bench-") as folder:
        out = f"{bench.out.rstrip('/')}/{os.getpid()}-{number}" if bench.out else f"{folder}/set"
        command = [sys.executable, "-m", "aigc", "generate", model, "--out", out, "--json"]
        command += ["--count", str(bench.items), "--workers", str(bench.workers)]
        wall_s, peak, _ = timed(command)
        records = commit.read_records(out).values()
        begun = min(record.started_at for record in records)
        ended = max(record.started_at + record.wall_s for record in records)
        size = sum(record.size_bytes for record in records)
    steady_s = ended - begun
    return {
        "generate_items_per_s": bench.items / steady_s,
        "generate_wall_items_per_s": bench.items / wall_s,
        "startup_s": wall_s - steady_s,
        "peak_rss_bytes": peak,
        "bytes_per_item": size / bench.items,
    }


def _ray_data(bench: GenerateBench, model: str) -> Json:
    with tempfile.TemporaryDirectory(prefix="aigc-bench-") as folder:
        command = [sys.executable, "-m", f"{RIVALS}.ray_data", model]
        command += [str(bench.items), str(bench.workers), folder]
        wall_s, peak, output = timed(command)
        steady_s = json.loads(output.strip().splitlines()[-1])["steady_s"]
    return {
        "ray_data_items_per_s": bench.items / steady_s,
        "ray_data_wall_items_per_s": bench.items / wall_s,
        "ray_data_peak_rss_bytes": peak,
    }


def _summary(bench: GenerateBench, model: str, batch: int, rounds: list[Json]) -> Json:
    names = [name for name in rounds[0] if name != "stages"]
    medians = {name: statistics.median(found[name] for found in rounds) for name in names}
    ratios = {
        "generate_to_roofline": ratio(rounds, "generate_items_per_s", "roofline_items_per_s"),
        "generate_wall_to_roofline": ratio(
            rounds, "generate_wall_items_per_s", "roofline_items_per_s"
        ),
    }
    if bench.ray_data:
        ratios["generate_to_ray_data"] = ratio(
            rounds, "generate_items_per_s", "ray_data_items_per_s"
        )
        ratios["generate_wall_to_ray_data_wall"] = ratio(
            rounds, "generate_wall_items_per_s", "ray_data_wall_items_per_s"
        )
    return {
        "model": model,
        "items": bench.items,
        "workers": bench.workers,
        "roofline_batch": batch,
        **medians,
        "ratios": ratios,
        "rounds": rounds,
    }


def _shown(found: Json) -> list[str]:
    return [
        f"{name.removesuffix('_items_per_s')} {value:,.0f}/s"
        for name, value in found.items()
        if name.endswith("_items_per_s")
    ]
