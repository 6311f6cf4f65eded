"""What a job is: everything an item depends on, and how its slots fall into shards."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from aigc.errors import JobError
from aigc.job.briefs import Briefs
from aigc.job.conditions import labels_of
from aigc.job.keys import ATTEMPT, Ints, SampleKeys
from aigc.models.config import ModelConfig
from aigc.specs import Codec, Gates, GenerateSpec, Seed, Spec
from aigc.types import Shard

_TARGET_FILE_BYTES, _MAX_FILE_BYTES = 256 * 2**20, 512 * 2**20
_MIN_SHARDS = 64
_MIN_BATCHES = 8
_RESOLVED = ("model_uri", "gates", "ranges")
"""Fields that follow from the others, or say the same in another way."""
_PATIENCE = ("max_draws", "min_accepted")
"""Of gates: when to give up, which decides nothing about what is made."""
_GATES = ("asked_gates", "gates")


class Range(Spec):
    """Consecutive slots that share a folder and are cut into shards of their own."""

    start: int
    stop: int
    folder: str = ""
    """`campaign-spring/market-se`; empty when the set is not partitioned."""


class DataDigests(Spec):
    """Of the data set that each gate compares with: what it holds counts, not where it lies."""

    realism: str | None = None
    memorisation: str | None = None


class Job(Spec):
    """Written once beside the output as `_job.json`. A rerun must agree with it in every field.

    A job has `count` slots, one an item delivered. A slot's first candidate has its place in its
    brief as random counter (a plain job is one brief); when gates refuse it, the slot's next draw
    takes over, `draws.ATTEMPT` further on.
    """

    format: Literal[2] = 2
    model: str
    """name@version."""
    model_uri: str
    model_digest: str
    count: int = Field(ge=1)
    seed: Seed
    pattern: tuple[int, ...]
    """Slot i has the class index pattern[i % len(pattern)]; empty when unconditional."""
    labels: tuple[str, ...]
    truncation: float | None
    codec: Codec
    quality: int
    precision: Literal["bf16", "fp32"]
    device: Literal["cpu", "cuda"]
    micro_batch: int
    shard_items: int
    embed_provenance: bool
    height: int
    width: int
    channels: Literal[1, 3]
    latent_dim: int
    resampling: Literal["lanczos", "bicubic", "nearest"]
    writer: Literal["parquet", "webdataset", "files"]
    include: tuple[Literal["latents", "scores"], ...]
    asked_gates: Gates
    gates: Gates
    """As asked, every percentile resolved to the threshold it was measured to be."""
    data_digests: DataDigests = DataDigests()
    partition_by: tuple[str, ...] = ()
    """Columns of the briefs by which the files are laid out in folders."""
    briefs_digest: str | None = None
    """Of `_briefs.parquet` beside the job; its rows say count, seed, labels and format each."""
    ranges: tuple[Range, ...]

    @functools.cached_property
    def _first_shards(self) -> list[int]:
        """Number of each range's first shard, and at the end that of all shards."""
        counts = (-(-(found.stop - found.start) // self.shard_items) for found in self.ranges)
        return [0, *itertools.accumulate(counts)]

    @functools.cached_property
    def _starts(self) -> list[int]:
        return [found.start for found in self.ranges]

    @property
    def shards(self) -> int:
        return self._first_shards[-1]

    def shard(self, number: int) -> Shard:
        at = bisect.bisect_right(self._first_shards, number) - 1
        found = self.ranges[at]
        start = found.start + (number - self._first_shards[at]) * self.shard_items
        return Shard(number, start, min(start + self.shard_items, found.stop), found.folder)

    def plan(self) -> Iterator[Shard]:
        return map(self.shard, range(self.shards))

    def shard_of(self, slot: int) -> int:
        """Number of the shard that holds `slot`."""
        at = bisect.bisect_right(self._starts, slot) - 1
        return self._first_shards[at] + (slot - self._starts[at]) // self.shard_items

    def item_ids(self, draws: SampleKeys, slots: Ints, briefs: Briefs | None) -> list[str]:
        """Of the items in `slots` (N,), stable over workers and reruns: model, seed, random
        counter and label, and the brief, for two briefs may ask for the same picture."""
        begin = self.model_digest[:12]
        labels = ["x"] * len(draws) if draws.labels is None else draws.labels.tolist()
        ends = [""] * len(draws) if briefs is None else _brief_marks(briefs, slots)
        keys = zip(draws.seeds.tolist(), draws.candidates.tolist(), labels, ends, strict=True)
        return [f"{begin}-{seed}-{at:012d}-{label}{end}" for seed, at, label, end in keys]

    def to_json(self) -> bytes:
        return json.dumps(self.model_dump(mode="json"), indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Job:
        try:
            return cls.model_validate_json(data)
        except ValueError:
            raise JobError(
                f"{where}: not a job of this version of aigc, or damaged; restore it from a copy, "
                "or choose another out"
            ) from None

    def differences(self, other: Job) -> list[str]:
        """Fields in which `other` asks for something else, as 'seed: 1 there, 2 asked'."""
        mine, theirs = self._decisive(), other._decisive()
        return [
            f"{name}: {_short(mine.get(name))} there, {_short(theirs.get(name))} asked"
            for name in mine | theirs
            if mine.get(name) != theirs.get(name)
        ]

    def _decisive(self) -> dict[str, object]:
        """Every field that decides, gates by dotted names as the user writes them."""
        values = self.model_dump(mode="json", exclude=set(_RESOLVED))
        asked, digests = values.pop("asked_gates"), values.pop("data_digests")
        decisive = {name: value for name, value in asked.items() if name not in _PATIENCE}
        data = {f"gates.{gate}.data": f"digest {held}" for gate, held in digests.items() if held}
        return values | dict(_dotted("gates", decisive)) | data

    def taken_up_by(self, other: Job) -> Job:
        """This job with the patience of `other`'s gates, and never fewer draws than it had; and
        with their data sets where they lie now."""
        gates = other.asked_gates
        patience = {
            "max_draws": max(gates.max_draws, self.gates.max_draws),
            "min_accepted": gates.min_accepted,
        }
        now = {name: getattr(self, name).with_data(gates.data) for name in _GATES}
        same = {name: asked.model_copy(update=patience) for name, asked in now.items()}
        return self.model_copy(update=same)


def _brief_marks(briefs: Briefs, slots: Ints) -> list[str]:
    """`-` and sixteen digits of each item's brief_id's SHA-256."""
    rows, which = np.unique(briefs.rows(slots), return_inverse=True)
    names = briefs.table["brief_id"].take(rows).to_pylist()
    marks = ["-" + hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    return [marks[at] for at in which.tolist()]


def keys_at(job: Job, briefs: Briefs | None, slots: Ints, draw: Ints) -> SampleKeys:
    """The candidates that `slots` (N,) have in their draws number `draw` (N,), 0 the first."""
    if briefs is not None:
        return briefs.draws(slots, draw)
    pattern = np.asarray(job.pattern, dtype=np.int64)
    return SampleKeys(
        seeds=np.full(len(slots), job.seed, dtype=np.uint64),
        candidates=draw * ATTEMPT + slots,
        labels=labels_of(pattern, slots),
        truncations=np.full(len(slots), job.truncation or np.inf),
    )


def shard_items(
    spec: GenerateSpec, config: ModelConfig, count: int, briefs: Briefs | None = None
) -> int:
    """Items a shard: files near 256 MB, yet at least 64 shards a job; whole micro-batches each, but
    for items so large that one would give files beyond 512 MB. Briefs count by their mean size."""
    if spec.shard_items:
        return _whole(spec.shard_items, spec.micro_batch)
    channels = {"grey": 1, "rgb": 3, None: config.channels}[spec.colour]
    height, width = spec.height or config.height, spec.width or config.width
    pixels = height * width if briefs is None else briefs.mean_pixels
    item_bytes = max(256, int(pixels * channels * 3 / 4))
    fitting = max(1, _TARGET_FILE_BYTES // item_bytes)
    if spec.micro_batch * item_bytes > _MAX_FILE_BYTES:
        return fitting
    least = min(_MIN_BATCHES * spec.micro_batch, fitting)
    return _whole(max(min(fitting, -(-count // _MIN_SHARDS)), least), spec.micro_batch)


def _whole(items: int, micro_batch: int) -> int:
    return -(-items // micro_batch) * micro_batch


def _dotted(name: str, value: object) -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _dotted(f"{name}.{key}", inner)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
