"""What a job is: everything an item depends on, and how its items fall into shards."""

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
from aigc.families.origin import Origin
from aigc.job import job_file
from aigc.job.briefs import Briefs
from aigc.job.differences import differences, dotted
from aigc.job.identity import item_ids, with_marks
from aigc.job.job_file import FIRST_MODALITY
from aigc.job.keys import ATTEMPT, Ints, SampleKeys, keys_of
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import Form, ItemFormat
from aigc.provenance.spec import Provenance
from aigc.provenance.unsigned import unsigned
from aigc.specs import Gates, Seed, Spec
from aigc.types import Shard

_RESOLVED = ("model_uri", "gates", "ranges", "created", "data_digest", "prompt_column")
"""Fields that follow from the others, or say the same in another way."""
_PATIENCE = ("max_draws", "min_accepted")
"""Of gates: when to give up, which decides nothing about what is made."""
_GATES = ("asked_gates", "gates")
_PROVENANCE = ("provenance", "embed_provenance")
_ONLY_TOLD = ("reason", "credentials")
"""Of `provenance`: what decides nothing about an item before it is signed."""


def _is_empty(text: str) -> bool:
    return not text


class Range(Spec):
    """Items with consecutive indices that share a folder and are cut into shards of their own."""

    start: int
    stop: int
    folder: str = ""
    """`campaign-spring/market-se`; empty when the set is not partitioned."""


class DataDigests(Spec):
    """Of the data set that each gate compares with, and of the classifier of `safety`: what they
    hold counts, not where they lie."""

    realism: str | None = None
    memorisation: str | None = None
    safety: str | None = Field(None, exclude_if=lambda found: found is None)


class Job(Spec):
    """Written once beside the output as `_job.json`. A rerun must agree with it in every field.

    A job has `count` items with the indices 0 to `count` - 1. The random counter of an item's first
    candidate is its place in its brief (a plain job is one brief); if gates refuse it, the next
    attempt has a counter that is `keys.ATTEMPT` higher.
    """

    format: Literal[2] = 2
    model: str
    """name@version."""
    model_uri: str
    model_digest: str
    origin: Origin | None = Field(None, exclude_if=lambda found: found is None)
    """Of an imported model. Not written for others."""
    count: int = Field(ge=1)
    seed: Seed
    schedules: dict[str, Schedule]
    """What each item is asked to be, by condition; of a job with briefs, what those are asked that
    do not say it."""
    sampling: dict[str, float | None]
    """The knobs of the model's family."""
    modality: str = Field(FIRST_MODALITY, exclude_if=lambda found: found == FIRST_MODALITY)
    """Of `MODALITIES`; the first is not written, as it was not when there were no others."""
    form: SerializeAsAny[Form]
    """How its items are delivered."""
    precision: Literal["bf16", "fp32"]
    device: Literal["cpu", "cuda"]
    micro_batch: int
    shard_items: int
    provenance: Provenance = Field(Provenance(), exclude_if=lambda found: found == Provenance())
    """What files state of their origin. Where the key lies is not part of it."""
    embed_provenance: bool | None = Field(None, exclude_if=lambda found: found is None)
    """Of a job that 0.1.0 began, which goes on as it did: the source type in each file, or
    nothing."""
    created: str = Field("", exclude_if=_is_empty)
    """RFC 3339 time of the job, where `provenance` states it. A job that is resumed keeps it."""
    data_digest: str = Field("", exclude_if=_is_empty)
    """Of the data that the model was trained on."""
    watermark_key: str = Field("", exclude_if=_is_empty)
    """What tells the key of its watermarks from others; empty for the public one."""
    prompt_column: str = Field("", exclude_if=_is_empty)
    """Of the briefs, where `provenance.prompts` asks for it."""
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
    def _read(cls, said: Any) -> Any:
        in_file = isinstance(said, dict) and "form" not in said
        return job_file.from_fields(said) if in_file else said

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return job_file.to_fields(handler(self))

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

    def shard_of(self, index: int) -> int:
        """Number of the shard that holds item `index`."""
        at = bisect.bisect_right(self._starts, index) - 1
        return self._first_shards[at] + (index - self._starts[at]) // self.shard_items

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

    def named_codes(self, keys: SampleKeys) -> Ints | None:
        """The codes (N,) of the condition whose values are indices of names; None without one."""
        named = (name for name, schedule in self.schedules.items() if schedule.names)
        name = next(named, None)
        return None if name is None else CONDITIONS[name].codes(keys.conditions[name])

    def item_ids(self, keys: SampleKeys, indices: Ints, briefs: Briefs | None) -> list[str]:
        """Of the items `indices` (N,), stable over workers and reruns: model, seed, random
        counter and conditions, and the brief, for two briefs may ask for the same item."""
        ids = item_ids(self.model_digest, keys)
        return ids if briefs is None else with_marks(ids, briefs, indices)

    def as_unsigned(self, files: list[bytes]) -> list[bytes]:
        """Files of the set as they were before signing, which differs each time."""
        return [unsigned(file) for file in files] if self.provenance.credentials else files

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
        return differences(self._decisive(), other._decisive())

    def _decisive(self) -> dict[str, object]:
        """Every field that decides, gates by dotted names as the user writes them."""
        values = self.model_dump(mode="json", exclude={*_RESOLVED, *_PROVENANCE})
        asked, digests = values.pop("asked_gates"), values.pop("data_digests")
        values |= dict(dotted("conditions", values.pop("schedules", {})))
        values |= dict(dotted("provenance", self._stated()))
        decisive = {name: value for name, value in asked.items() if name not in _PATIENCE}
        data = {field_of_data(gate): f"digest {held}" for gate, held in digests.items() if held}
        return values | dict(dotted("gates", decisive)) | data

    def _stated(self) -> dict[str, object]:
        """What decides in `provenance`, or said the same before there was that field."""
        asked = self.provenance
        if self.embed_provenance is False:
            asked = Provenance(profile="none", reason="as 0.1.0 was asked")
        stated = asked.model_dump(mode="json", exclude=set(_ONLY_TOLD))
        return stated | {"credentials": "signed" if asked.credentials else "none"}

    def taken_up_by(self, other: Job) -> Job:
        """This job with the patience of `other`'s gates, and never fewer attempts than it had; with
        their data sets where they lie now, and the time-stamp authority of today."""
        gates = other.asked_gates
        patience = {
            "max_draws": max(gates.max_draws, self.gates.max_draws),
            "min_accepted": gates.min_accepted,
        }
        now = {name: getattr(self, name).with_data(gates.data) for name in _GATES}
        same = {name: asked.model_copy(update=patience) for name, asked in now.items()}
        signs = {"credentials": other.provenance.credentials}
        return self.model_copy(
            update=same | {"provenance": self.provenance.model_copy(update=signs)}
        )


def keys_at(job: Job, briefs: Briefs | None, indices: Ints, attempts: Ints) -> SampleKeys:
    """The samples of `indices` (N,) in their attempts number `attempts` (N,), 0 the first."""
    if briefs is not None:
        return briefs.keys(indices, attempts)
    conditions = {name: schedule.at(indices) for name, schedule in job.schedules.items()}
    return keys_of(job.seed, attempts * ATTEMPT + indices, conditions, job.sampling)


def field_of_data(gate: str) -> str:
    """The field that says where what `gate` compares with lies."""
    return f"gates.{gate}.{'classifier.path' if gate == 'safety' else 'data'}"


def _mixed(codes: tuple[int, ...]) -> int:
    digest = hashlib.sha256(json.dumps(codes).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
