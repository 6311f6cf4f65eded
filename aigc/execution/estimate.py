"""Estimates the time, size and cost of a job from its plan and a short probe."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aigc.execution.backend import WorkerBackend, most_workers
from aigc.execution.planning import spread
from aigc.execution.pool import WorkerPool
from aigc.generation.item_generator import ItemGenerator
from aigc.generation.pipeline import MakeShard, OnItems, blocks, rows_of
from aigc.job.formats import mean_item
from aigc.job.keys import Ints
from aigc.job.plan import Job, Range
from aigc.output import commit, schema
from aigc.output.writers import SUFFIX, open_writer
from aigc.sets import manifest
from aigc.specs import GenerateSpec
from aigc.types import Json, Notice, ShardRecord

PROBE_S = 4.0
_PROBES = 8
_MOST_ITEMS = 2**20


@dataclass(frozen=True)
class Probe:
    """A unit that generates items of the job for `seconds` and discards them. Number 0 also
    measures the time to finish a small set."""

    number: int
    seconds: float = field(default_factory=lambda: PROBE_S)

    def __str__(self) -> str:
        return f"probe {self.number}"

    def __call__(self, item_generator: ItemGenerator, out: str, on_items: OnItems) -> Json:
        """`items` made in `seconds` by one worker, `refused_share` of the candidates,
        `bytes_per_item`, the seconds `closing` takes, and those that `all` of this did."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="aigc-probe-") as folder:
            found = self._rate(item_generator, folder, on_items)
        with tempfile.TemporaryDirectory(prefix="aigc-probe-") as folder:
            closing_s = 0.0 if self.number else _closing_s(item_generator, folder, on_items)
        return found | {"closing_s": closing_s, "all_s": time.perf_counter() - began}

    def _rate(self, item_generator: ItemGenerator, folder: str, on_items: OnItems) -> Json:
        job = item_generator.job
        columns = schema.schema(job, item_generator.briefs)
        indices = _sample(job, self.number)
        made, measured, refused = 0, 0, 0
        path = Path(folder) / f"probe{SUFFIX[job.writer]}"
        with open_writer(job.writer, job.delivery, path, columns, folder) as writer:
            started = time.perf_counter()
            for chosen in blocks(job, indices, _mean_bytes(item_generator)):
                block = np.sort(chosen)
                for part in item_generator.parts(item_generator.make(block, np.zeros_like(block))):
                    rows = rows_of(item_generator, columns, part)
                    writer.write(rows.batch)
                    refused += rows.refused.total()
                on_items(len(block))
                if not made:  # the first block warms up; it counts if it is the only one
                    started = time.perf_counter() if len(block) < len(indices) else started
                measured += len(block) if made or len(block) == len(indices) else 0
                made += len(block)
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


def _sample(job: Job, number: int) -> Ints:
    """Indices for the probe of that number, others for each: as many as it may need, all over the
    job, such that any part of them is like the job."""
    indices = spread(job.count, min(job.count, _MOST_ITEMS), number)
    return np.random.default_rng(number).permutation(indices)


def _mean_bytes(item_generator: ItemGenerator) -> int:
    """Of an item in memory, as large as briefs ask for on average: a probe looks at the time after
    each block."""
    job = item_generator.job
    return int(mean_item(job.delivery, job.form, item_generator.briefs)[1])


def _closing_s(item_generator: ItemGenerator, folder: str, on_items: OnItems) -> float:
    """How long it takes to finish a set of one small shard, which is about as long as any."""
    count = len(next(blocks(item_generator.job, np.arange(min(item_generator.job.count, 2**20)))))
    one = {"count": count, "shard_items": count, "ranges": (Range(start=0, stop=count),)}
    job = commit.open_job(folder, Job.model_validate(item_generator.job.model_dump() | one))
    MakeShard(job.shard(0))(item_generator, folder, on_items).close(lambda count: None)
    began = time.perf_counter()
    manifest.finish(folder, job)
    return time.perf_counter() - began


def estimate(
    job: Job,
    made: Mapping[int, ShardRecord],
    backend: WorkerBackend,
    spec: GenerateSpec,
    since: float,
    notice: Notice,
) -> Json:
    """Shards and bytes of `job`, and time and cost of what is not `made` of it, from a probe on
    some workers of `backend`. What came before, from the time `since` on (seconds since 1970), is
    start-up."""
    placement = spec.placement
    found: list[Json] = []
    capacity = max(1, backend.capacity())
    workers = min(most_workers(backend, placement, capacity), job.shards)
    probes = min(workers, capacity, _PROBES)  # at once, for neighbours slow each other down
    few = placement.model_copy(update={"workers": probes, "max_workers": None})
    with WorkerPool(backend, few, notice) as pool:
        pool.run((Probe(number) for number in range(probes)), probes, found.append)
    startup_s = max(0.0, time.time() - since - max(one["all_s"] for one in found))
    closing_s = sum(one["closing_s"] for one in found)
    rate = workers / probes * sum(one["items"] / one["seconds"] for one in found)
    turns = -(-(job.shards - len(made)) // workers)  # the last ones leave some workers idle
    seconds = startup_s + turns * workers * (job.count / job.shards) / rate + closing_s
    nodes, price = backend.nodes(), spec.budget.price_per_node_hour
    if job.provenance.credentials is not None:
        notice(
            "not estimated: signing (with a key in a file some 1 ms of CPU and 4 kB an item) and "
            "time stamps"
        )
    if job.gates.duplicates:
        notice("not estimated: comparing all items for gates.duplicates, and replacing them")
    return {
        "items": job.count,
        "items_made": sum(record.rows for record in made.values()),
        "shards": job.shards,
        "items_per_shard": job.shard_items,
        **_sizes(found, job),
        "workers": workers,
        "nodes": nodes,
        "items_per_s": round(rate, 1),
        "startup_s": round(startup_s, 1),
        "closing_s": round(closing_s, 1),
        "seconds": round(seconds, 1),
        "cost": None if price is None else round(price * nodes * seconds / 3600, 4),
        "probe": {
            "workers": probes,
            "items": sum(one["items"] for one in found),
            "seconds": round(max(one["seconds"] for one in found), 1),
        },
    }


def _sizes(found: list[Json], job: Job) -> Json:
    items = [one["items"] for one in found]
    bytes_per_item = float(np.average([one["bytes_per_item"] for one in found], weights=items))
    refused_share = float(np.average([one["refused_share"] for one in found], weights=items))
    return {
        "size_bytes": round(bytes_per_item * job.count),
        "bytes_per_item": round(bytes_per_item, 1),
        "refused_share": round(refused_share, 4),
    }
