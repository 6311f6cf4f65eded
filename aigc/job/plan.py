"""What a job is: everything an item depends on, and how its slots fall into shards."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import (
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from aigc.conditions import CONDITIONS, Schedule
from aigc.errors import JobError
from aigc.families import FAMILIES
from aigc.families.config import ModelConfig
from aigc.job.briefs import Briefs
from aigc.job.form import form_of
from aigc.job.formats import mean_item
from aigc.job.keys import ATTEMPT, Ints, SampleKeys, keys_of
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import Form, ItemFormat
from aigc.specs import Gates, GenerateSpec, Seed, Spec
from aigc.types import Shard

_TARGET_FILE_BYTES, _MAX_FILE_BYTES = 256 * 2**20, 512 * 2**20
_MIN_SHARDS = 64
_MIN_BATCHES = 8
_FIRST_CONDITION = next(iter(CONDITIONS))
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
    takes over, `keys.ATTEMPT` further on.
    """

    format: Literal[2] = 2
    model: str
    """name@version."""
    model_uri: str
    model_digest: str
    count: int = Field(ge=1)
    seed: Seed
    schedules: dict[str, Schedule]
    """What each item is asked to be, by condition; of a job with briefs, what those are asked that
    do not say it."""
    sampling: dict[str, float | None]
    """The knobs of the model's family; they stand among the fields of the job."""
    modality: str = Field("image", exclude_if=lambda found: found == "image")
    """Of `MODALITIES`. Not written for images, as it was not when there were no others."""
    form: SerializeAsAny[Form]
    """How its items are delivered; its fields stand among those of the job."""
    precision: Literal["bf16", "fp32"]
    device: Literal["cpu", "cuda"]
    micro_batch: int
    shard_items: int
    embed_provenance: bool
    latent_dim: int | None
    """Numbers of the column `latent`; None where the model has no latent space."""
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

    @model_validator(mode="before")
    @classmethod
    def _with_parts(cls, said: Any) -> Any:
        """From the fields as they stand in the file."""
        if not isinstance(said, dict) or "form" in said:
            return said
        delivery = MODALITIES[said.get("modality", "image")].delivery
        inside = {name: said[name] for name in delivery.form.model_fields if name in said}
        knobs = {name: said[name] for name in _first_knobs() if name in said}
        schedules = said.get("schedules", {})
        if said.get("pattern"):
            named = {"pattern": said["pattern"], "names": said.get("labels", ())}
            schedules = {_FIRST_CONDITION: named}
        gone = {*inside, *knobs, "pattern", "labels"}
        rest = {name: value for name, value in said.items() if name not in gone}
        parts = {"schedules": schedules, "sampling": said.get("sampling", knobs)}
        return {**rest, **parts, "form": delivery.form.model_validate(inside)}

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What there was before conditions and families had names of their own stands among the
        other fields, as it did: the first condition, and the knobs of the first family."""
        found: dict[str, Any] = handler(self)
        form: dict[str, Any] = found.pop("form", {})
        if self.sampling.keys() == _first_knobs():
            found |= found.pop("sampling", {})
        if "schedules" in found and self.schedules.keys() <= {_FIRST_CONDITION}:
            one: dict[str, Any] = found.pop("schedules").get(_FIRST_CONDITION, {})
            found |= {"pattern": one.get("pattern", ()), "labels": one.get("names", ())}
        return found | form

    def __hash__(self) -> int:
        """Of some fields, for dicts have none: services keep what they read of a job."""
        return hash((self.model_digest, self.seed, self.count, self.ranges))

    @property
    def delivery(self) -> Delivery:
        return MODALITIES[self.modality].delivery

    @functools.cached_property
    def item_format(self) -> ItemFormat:
        """Of each item, unless its brief says another."""
        return self.delivery.format_of(self.form)

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

    @functools.cached_property
    def pattern(self) -> Ints:
        """Codes of the items' condition, repeated over them; none without a condition, and with
        several of them."""
        if len(self.schedules) != 1:
            return np.empty(0, np.int64)
        [(name, schedule)] = self.schedules.items()
        return CONDITIONS[name].codes(np.asarray(schedule.pattern))

    @property
    def names(self) -> tuple[str, ...]:
        """What the codes of items mean; none where they are no indices."""
        schedules = list(self.schedules.values())
        return schedules[0].names if len(schedules) == 1 else ()

    def codes(self, keys: SampleKeys) -> Ints | None:
        """A number of 0 or more for what each sample is asked to be (N,); None where nothing is."""
        each = [CONDITIONS[name].codes(values) for name, values in keys.conditions.items()]
        if len(each) < 2:
            return each[0] if each else None
        return np.array([_mixed(row) for row in zip(*(one.tolist() for one in each), strict=True)])

    def item_ids(self, keys: SampleKeys, slots: Ints, briefs: Briefs | None) -> list[str]:
        """Of the items in `slots` (N,), stable over workers and reruns: model, seed, random
        counter and conditions, and the brief, for two briefs may ask for the same item."""
        begin = self.model_digest[:12]
        each = [CONDITIONS[name].marks(values) for name, values in keys.conditions.items()]
        marks = [".".join(row) for row in zip(*each, strict=True)] if each else ["x"] * len(keys)
        ends = [""] * len(keys) if briefs is None else _brief_marks(briefs, slots)
        rows = zip(keys.seeds.tolist(), keys.counters.tolist(), marks, ends, strict=True)
        return [f"{begin}-{seed}-{at:012d}-{mark}{end}" for seed, at, mark, end in rows]

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
        values |= dict(_dotted("conditions", values.pop("schedules", {})))
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


def _first_knobs() -> set[str]:
    return {*next(iter(FAMILIES.values())).sampling.model_fields}


def _brief_marks(briefs: Briefs, slots: Ints) -> list[str]:
    """`-` and sixteen digits of each item's brief_id's SHA-256."""
    rows, which = np.unique(briefs.rows(slots), return_inverse=True)
    names = briefs.table["brief_id"].take(rows).to_pylist()
    marks = ["-" + hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    return [marks[at] for at in which.tolist()]


def keys_at(job: Job, briefs: Briefs | None, slots: Ints, attempt: Ints) -> SampleKeys:
    """The samples that `slots` (N,) have in their attempts number `attempt` (N,), 0 the first."""
    if briefs is not None:
        return briefs.keys(slots, attempt)
    conditions = {name: schedule.at(slots) for name, schedule in job.schedules.items()}
    return keys_of(job.seed, attempt * ATTEMPT + slots, conditions, job.sampling)


def _mixed(codes: tuple[int, ...]) -> int:
    digest = hashlib.sha256(json.dumps(codes).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def shard_items(
    spec: GenerateSpec, config: ModelConfig, count: int, briefs: Briefs | None = None
) -> int:
    """Items a shard: files near 256 MB, yet at least 64 shards a job; whole micro-batches each, but
    for items so large that one would give files beyond 512 MB. Briefs count by their mean size."""
    if spec.shard_items:
        return _whole(spec.shard_items, spec.micro_batch)
    delivery, form = MODALITIES[config.modality].delivery, form_of(spec, config)
    item_bytes = delivery.file_bytes(form, mean_item(delivery, form, briefs)[0])
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
