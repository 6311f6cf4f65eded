"""Publishes the result of a training run."""

from __future__ import annotations

import json

from aigc import storage, training
from aigc.data import attribution
from aigc.data.dataset import open_dataset
from aigc.errors import DataError, JobError
from aigc.specs import TrainSpec, dump
from aigc.store import ModelStore
from aigc.store.version import ATTRIBUTION, TRAIN_SPEC, TRAINING_DATA, pretty
from aigc.training import TrainResult
from aigc.types import Json


def _training_data(uri: str, digest: str) -> dict[str, bytes]:
    """What a model keeps of its training data: `training_data.json` and `attribution.csv`. Nothing
    where the data set has gone, or is another one by now."""
    try:
        dataset = open_dataset(uri)
    except DataError:
        return {}
    if dataset.digest != digest:
        return {}
    found = attribution.summary(dataset.info) | {"data": dataset.uri}
    credits = storage.read_if_there(storage.join(dataset.uri, attribution.FILE))
    files = {TRAINING_DATA: pretty(found)}
    return files if credits is None else files | {ATTRIBUTION: credits}


def publish(spec: TrainSpec, result: TrainResult) -> Json:
    """Publish a new version of `spec.name`, unless this result is published already.

    Returns:
        The metrics of training, `out` and `sheet`; with `spec.publish` also `model` and `uri`.

    Raises:
        JobError: the model is collapsed and `spec.watch.publish_collapsed` is false; the run is
            kept, and the same command with that set publishes it.
    """
    summary: Json = {"out": spec.out, "steps_run": result.steps_run, **result.metrics}
    summary["sheet"] = training.newest_sheet(spec.out)
    if not spec.publish:
        return summary
    if summary["health"] == "collapsed" and not spec.watch.publish_collapsed:
        raise JobError(
            f"not published, the model is collapsed: {summary['health_reason']}; the run is kept "
            f"in {spec.out} (newest samples: {summary['sheet']}); train longer or change lr, or "
            "publish it with --set watch.publish_collapsed=true"
        )
    note = storage.join(spec.out, "published.json")
    earlier = training.read_json(note)
    ours = {"steps": result.metrics["steps"], "synonyms": spec.synonyms}
    if earlier and all(earlier.get(key, {}) == value for key, value in ours.items()):
        return summary | {"model": earlier["model"], "uri": earlier["uri"]}
    version = ModelStore().publish(
        spec.name,
        result.config,
        result.tensors,
        metrics=result.metrics,
        samples_png=result.samples_png,
        card=result.card,
        health=summary["health"],
        beside={TRAIN_SPEC: dump(spec).encode()}
        | _training_data(spec.data, result.config.data_digest),
    )
    model = {"model": version.ref, "uri": version.uri}
    storage.write_bytes(note, json.dumps(model | ours).encode())
    return summary | model
