"""What a job would take, from its plan and a few measured seconds; nothing is written."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aigc.generation.maker import Maker
from aigc.generation.pipeline import OnItems, blocks, rows_of
from aigc.generation.plan import Job
from aigc.orchestration.crew import Crew
from aigc.orchestration.pool import Pool
from aigc.output import schema
from aigc.output.writers import SUFFIX, open_writer
from aigc.specs import GenerateSpec
from aigc.types import Json, Notice

PROBE_S = 4.0
_PROBES = 8


@dataclass(frozen=True)
class Probe:
    """The unit that makes the job's first items for some seconds and throws them away."""

    number: int
    seconds: float = field(default_factory=lambda: PROBE_S)

    def __str__(self) -> str:
        return f"probe {self.number}"

    def __call__(self, maker: Maker, out: str, on_items: OnItems) -> Json:
        """`items` made in `seconds` by one worker, `refused` candidates, `bytes_per_item`."""
        columns = schema.schema(maker.job, maker.briefs)
        slots = np.arange(min(maker.job.count, 2**20), dtype=np.int64)
        made, measured, refused = 0, 0, 0
        with tempfile.TemporaryDirectory(prefix="aigc-probe-") as folder:
            path = Path(folder) / f"probe{SUFFIX[maker.job.writer]}"
            with open_writer(maker.job.writer, path, columns, folder) as writer:
                started = time.perf_counter()
                for block in blocks(maker.job, slots):
                    rows = rows_of(maker, columns, maker.make(block, np.zeros_like(block)))
                    writer.write(rows.batch)
                    on_items(len(block))
                    if not made:  # the first block warms up; it counts if it is the only one
                        started = time.perf_counter() if len(block) < len(slots) else started
                    measured += len(block) if made or len(block) == len(slots) else 0
                    made, refused = made + len(block), refused + rows.refused.total()
                    if time.perf_counter() - started > self.seconds:
                        break
                seconds = time.perf_counter() - started
            size_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*.*"))
        return {
            "items": measured,
            "seconds": seconds,
            "refused_share": refused / (made + refused),
            "bytes_per_item": size_bytes / made,
        }


def estimate(job: Job, crew: Crew, spec: GenerateSpec, notice: Notice) -> Json:
    """Shards, bytes, time and cost of `job`, from a probe on some workers of `crew`."""
    placement = spec.placement
    found: list[Json] = []
    workers = min(placement.max_workers or placement.workers or crew.room(), job.shards)
    probes = min(workers, crew.room(), _PROBES)  # at once, for neighbours slow each other down
    few = placement.model_copy(update={"workers": probes, "max_workers": None})
    with Pool(crew, few, notice) as pool:
        pool.run((Probe(number) for number in range(probes)), probes, found.append)
    probe = found[0]
    rate = workers / probes * sum(one["items"] / one["seconds"] for one in found)
    seconds = job.count / rate
    nodes = crew.nodes()
    price = spec.budget.price_per_node_hour
    return {
        "items": job.count,
        "shards": job.shards,
        "items_per_shard": job.shard_items,
        "size_bytes": round(probe["bytes_per_item"] * job.count),
        "bytes_per_item": round(probe["bytes_per_item"], 1),
        "refused_share": round(probe["refused_share"], 4),
        "workers": workers,
        "nodes": nodes,
        "items_per_s": round(rate, 1),
        "seconds": round(seconds, 1),
        "cost": None if price is None else round(price * nodes * seconds / 3600, 4),
    }
