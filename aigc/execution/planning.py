"""Plans a job: resolves a spec into everything that determines a set's content."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import Any, cast

import numpy as np

from aigc import storage
from aigc.errors import SpecError, StoreError
from aigc.families.config import ModelConfig
from aigc.families.protocol import Device
from aigc.generation import finishing
from aigc.job.asked import sampling_of, schedules_of
from aigc.job.briefs import Briefs, Reading, Reject, rejects_bytes
from aigc.job.briefs import read as read_brief_file
from aigc.job.briefs.reading import OnRejects
from aigc.job.form import form_of
from aigc.job.formats import formats_of, shard_items
from aigc.job.keys import Ints, SampleKeys, keys_of
from aigc.job.plan import Job, Range
from aigc.modalities import Delivery
from aigc.modalities.delivery import QUALITY, ItemFormat, quality_refusal
from aigc.output import commit
from aigc.provenance.overlay import key_fingerprint, overlay_of
from aigc.provenance.profiles import PROFILES
from aigc.provenance.secrets import Secrets, carried
from aigc.provenance.spec import Provenance
from aigc.specs import GenerateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.store.models import LATEST
from aigc.types import Notice

_PROBE_ITEMS = 2048
_PROBE_SEED = 2**63 + 1
"""Larger than any seed of a user, since the probe's candidates are never delivered."""


def plan_job(
    spec: GenerateSpec,
    version: ModelVersion,
    device: Device,
    precision: str,
    briefs: Briefs | None = None,
) -> Job:
    """The job of `spec`; percentiles of its gates are not resolved yet.

    Raises:
        SpecError: the model does not have a label, or a field does not fit the model.
    """
    config = version.config
    count = briefs.count if briefs else spec.count
    assert count is not None
    if "latents" in spec.include and config.latent_dim is None:
        raise SpecError("include = latents: the model has no latent space; leave latents out")
    return Job(
        model=version.ref,
        model_uri=version.uri,
        model_digest=version.digest,
        origin=config.origin,
        count=count,
        seed=spec.seed,
        schedules=schedules_of(spec, config),
        sampling=sampling_of(spec, config),
        modality=config.modality,
        form=form_of(spec, config),
        precision=cast("Any", precision if spec.precision == "auto" else spec.precision),
        device=device,
        micro_batch=spec.micro_batch,
        shard_items=shard_items(spec, config, count, briefs),
        provenance=finishing.without_secrets(spec.provenance),
        created=finishing.now() if _has_time(spec.provenance) else "",
        data_digest=config.data_digest,
        watermark_key=key_fingerprint(spec.provenance, os.environ),
        prompt_column=_prompt_column(spec, briefs),
        latent_dim=config.latent_dim,
        writer=spec.writer,
        include=spec.include,
        asked_gates=spec.gates,
        gates=spec.gates,
        partition_by=spec.partition_by,
        briefs_digest=briefs.digest if briefs else None,
        ranges=_ranges(spec, count, briefs),
    )


def _has_time(asked: Provenance) -> bool:
    """Whether files state when they were made. Others have the same bytes in every job."""
    return PROFILES[asked.profile].dated or asked.credentials is not None


def _prompt_column(spec: GenerateSpec, briefs: Briefs | None) -> str:
    """The column of `briefs` whose words files state. Raises SpecError where there is none."""
    if not spec.provenance.prompts or briefs is None:
        return ""
    if spec.columns.prompt not in briefs.own:
        raise SpecError(
            f"provenance.prompts: the briefs have no column {spec.columns.prompt}; name the one "
            "of prompts as columns.prompt, or leave prompts out"
        )
    return spec.columns.prompt


def require_possible(spec: GenerateSpec, job: Job, briefs: Briefs | None) -> None:
    """Raises SpecError where a planned item cannot be marked or signed as `spec` asks, or where a
    field of `spec` has no effect on any."""
    formats, _ = formats_of(job.delivery, job.form, briefs)
    _require_effect(spec, job.delivery, formats)
    overlay = overlay_of(spec.provenance, os.environ)
    finishing.require_possible(spec.provenance, overlay, job.delivery, job.form, formats)


def _require_effect(
    spec: GenerateSpec, delivery: Delivery, formats: Collection[ItemFormat]
) -> None:
    if QUALITY.name not in spec.delivered:
        return
    refusals = [quality_refusal(delivery.codecs, one.codec, spec.quality) for one in formats]
    if all(refusals):
        raise SpecError(f"quality = {spec.quality}: {refusals[0]}")


def require_signer(asked: Provenance, job: Job, notice: Notice) -> Secrets | None:
    """What workers need to mark and sign the items of `job` as `asked`, tried out; None where that
    is no secret.

    Raises CredentialsError, in one line, where nothing could be signed now.
    """
    finishing.of_job(job.model_copy(update={"provenance": asked}), os.environ, notice)
    return carried(asked, os.environ)


def _ranges(spec: GenerateSpec, count: int, briefs: Briefs | None) -> tuple[Range, ...]:
    if briefs is None or not spec.partition_by:
        return (Range(start=0, stop=count),)
    parts = briefs.partitions(spec.partition_by)
    if len(parts) > _MAX_PARTITIONS:
        raise SpecError(
            f"partition_by = {', '.join(spec.partition_by)}: gives {len(parts):,} folders, at most "
            f"{_MAX_PARTITIONS:,} make sense; choose columns with fewer values"
        )
    return tuple(Range(start=start, stop=stop, folder=folder) for start, stop, folder in parts)


_MAX_PARTITIONS = 10_000


def read_briefs(
    spec: GenerateSpec, version: ModelVersion, on_rejects: OnRejects = lambda rejects: None
) -> Reading | None:
    """Read the briefs of `spec`; None without any. Raises SpecError, StorageError."""
    if spec.briefs is None:
        return None
    return read_brief_file(spec, version.config, _names_of(version), on_rejects)


def _names_of(version: ModelVersion) -> tuple[str, ...]:
    """Names by which an OpenAI batch request may call the model, as at the endpoint."""
    store, name = ModelStore(), version.name
    standing = store.aliases(name)
    with contextlib.suppress(StoreError):  # a model given by its folder may not be in the store
        standing[LATEST] = store.resolve(f"{name}@{LATEST}").version
    aliases = (alias for alias, found in standing.items() if found == version.version)
    return name, version.ref, *(f"{name}@{alias}" for alias in aliases)


def write_briefs(out: str, briefs: Briefs | None, rejects: list[Reject]) -> None:
    """Write the set's copy of its briefs, and the rejected rows, if they are not there yet."""
    if briefs is None or storage.exists(commit.briefs_uri(out)):
        return
    if rejects:
        storage.write_bytes(storage.join(out, "rejects.jsonl"), rejects_bytes(rejects))
    storage.write_bytes(commit.briefs_uri(out), briefs.to_parquet())


def probe_keys(spec: GenerateSpec, config: ModelConfig, briefs: Briefs | None) -> SampleKeys:
    """Samples like the job's own, with the probe's seed, to measure percentiles on."""
    numbers = np.arange(_PROBE_ITEMS, dtype=np.int64)
    if briefs is not None:
        asked = briefs.keys(spread(briefs.count, _PROBE_ITEMS))
        seeds = np.full(_PROBE_ITEMS, _PROBE_SEED, dtype=np.uint64)
        return SampleKeys(seeds, numbers, asked.conditions, asked.sampling)
    schedules = schedules_of(spec, config)
    conditions = {name: schedule.at(numbers) for name, schedule in schedules.items()}
    return keys_of(_PROBE_SEED, numbers, conditions, sampling_of(spec, config))


def spread(count: int, items: int, seed: int = 0) -> Ints:
    """Indices of `items` items of a job, (items,) in order, each brief's share, always the same: at
    random within steps, because labels repeat in steps too."""
    steps = np.arange(items) + np.random.default_rng(seed).random(items)
    return np.minimum(steps * count / items, count - 1).astype(np.int64)
