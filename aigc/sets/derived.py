"""What was made from a data set: models of a store, and sets made with them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import yaml

from aigc import storage
from aigc.errors import JobError, SpecError, StoreError
from aigc.job.plan import Job
from aigc.output import commit
from aigc.specs import TrainSpec, build
from aigc.store import ModelStore, ModelVersion
from aigc.store.version import TRAIN_SPEC

_DEPTH = 4


@dataclass(frozen=True)
class DerivedSet:
    """A content set, finished or not."""

    uri: str
    model: str
    items: int


def models_of(digest: str, store: ModelStore) -> list[ModelVersion]:
    """The versions whose configuration names the data set with this digest; damaged ones are passed
    over."""
    found = []
    for name in store.names():
        with contextlib.suppress(StoreError):
            found += [one for one in store.versions(name) if one.config.data_digest == digest]
    return found


def sets_of(models: Collection[ModelVersion], roots: Collection[str]) -> list[DerivedSet]:
    """The sets at or below `roots`, at most four folders deep, that were made with one of
    `models`."""
    digests = {model.digest for model in models}
    found = {}
    for root in roots:
        for uri, job in _jobs(storage.absolute(root), _DEPTH):
            if job.model_digest in digests:
                found[uri] = DerivedSet(uri, job.model, job.count)
    return list(found.values())


def _jobs(uri: str, depth: int) -> Iterator[tuple[str, Job]]:
    with contextlib.suppress(JobError):
        job = commit.find_job(uri)
        if job is not None:
            yield uri, job
            return
    for name in storage.folders(uri) if depth else []:
        yield from _jobs(storage.join(uri, name), depth - 1)


def retraining(model: ModelVersion, data: str, digest: str) -> TrainSpec | None:
    """The spec that `model` was trained with, for the data set `data` of this `digest`, in a run
    folder of its own; None where the model does not keep it."""
    if TRAIN_SPEC not in model.files:
        return None
    values = yaml.safe_load(model.read(TRAIN_SPEC))
    out = f"{str(values['out']).rstrip('/')}-{digest[:8]}"
    with contextlib.suppress(SpecError):
        return build(TrainSpec, values | {"data": data, "out": out})
    return None
