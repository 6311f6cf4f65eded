"""The data that the model of a set was trained on: where it lies, and under which rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml

from aigc import storage
from aigc.data import attribution
from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import AigcError, SpecError
from aigc.job.plan import Job
from aigc.sets import training_data
from aigc.sets.release.model import ModelFacts
from aigc.types import Json

_READ_BYTES = 2**18
_SETTINGS = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class TrainingData:
    """`dataset` is None where it was not found; `problem` says why, in one line."""

    dataset: Dataset | None = None
    problem: str = ""
    said: Json = field(default_factory=dict)
    """Its rights as the data set, else the set's manifest or the model, states them: see
    `data.attribution.summary`."""
    credits: str = ""
    """The beginning of `attribution.csv`, whole lines; empty where there is none."""


def find_training_data(
    out: str, job: Job, manifest: Json, model: ModelFacts, given: str | None = None
) -> TrainingData:
    """The data set that `model` names, at `given` or where job, evaluation or model say it lay, and
    what is known of its rights even if it is gone.

    Raises:
        SpecError: what lies at `given` is other data. DataError, StorageError: nothing is there.
    """
    found = _find(job, model, given)
    if found.dataset is not None:
        said = attribution.summary(found.dataset.info)
        return replace(found, said=said, credits=_credits(found.dataset.uri))
    stated, where = manifest.get("training_data"), out
    if not isinstance(stated, dict):
        stated, where = training_data.of_model(job)[0], job.model_uri
    return found if not stated else replace(found, said=stated, credits=_credits(where))


def _credits(folder: str) -> str:
    uri = storage.join(folder, attribution.FILE)
    try:
        with storage.open_input(uri) as source:
            text: str = source.read(_READ_BYTES).decode("utf-8", "replace")
    except (AigcError, OSError):
        return ""
    return text[: text.rfind("\n") + 1]


def _find(job: Job, model: ModelFacts, given: str | None) -> TrainingData:
    if given is not None:
        return TrainingData(_given(given, model.data_digest))
    if not model.data_digest:
        return TrainingData(problem=_nameless(model))
    tried: list[str] = []
    for uri in dict.fromkeys(_named(job, model)):
        try:
            found = open_dataset(uri)
        except AigcError as error:
            tried.append(str(error))
            continue
        if found.digest == model.data_digest:
            return TrainingData(found)
        tried.append(f"{uri}: holds other data now, digest {found.digest[:12]}")
    where = "; ".join(tried) or "neither the set nor the model's card says where it lies"
    problem = (
        f"training data {model.data_digest[:12]} not found ({where}); name its place by --data"
    )
    return TrainingData(problem=problem)


def _given(uri: str, digest: str) -> Dataset:
    found = open_dataset(uri)
    if digest and found.digest != digest:
        raise SpecError(
            f"data = {uri}: holds data with digest {found.digest[:12]}, the model was trained on "
            f"{digest[:12]}"
        )
    return found


def _nameless(model: ModelFacts) -> str:
    if model.problem:
        return f"training data unknown, because {model.problem}"
    return "the model does not say what it was trained on; name the data by --data if you know it"


def _named(job: Job, model: ModelFacts) -> Iterator[str]:
    """Places that gates, the last evaluation and the model name."""
    yield from job.gates.data.values()
    evaluated = model.metrics.get("evaluation")
    data = evaluated.get("data") if isinstance(evaluated, dict) else None
    if isinstance(data, dict) and isinstance(data.get("uri"), str):
        yield data["uri"]
    for text in (model.train_spec, *_SETTINGS.findall(model.card)):
        try:
            settings = yaml.safe_load(text)
        except yaml.YAMLError:
            continue
        if isinstance(settings, dict) and isinstance(settings.get("data"), str):
            yield settings["data"]
