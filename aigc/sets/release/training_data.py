"""The data that the model of a set was trained on: where it lies, and under which rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import AigcError, SpecError
from aigc.job.plan import Job
from aigc.sets.release.model import ModelFacts

_SETTINGS = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class TrainingData:
    """`dataset` is None where it was not found; `problem` says why, in one line."""

    dataset: Dataset | None = None
    problem: str = ""
    tried: tuple[str, ...] = field(default=())


def find_training_data(job: Job, model: ModelFacts, given: str | None = None) -> TrainingData:
    """The data set that `model` names, at `given` or where job, evaluation or card say it lay.

    Raises:
        SpecError: what lies at `given` is other data. DataError, StorageError: nothing is there.
    """
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
    return TrainingData(problem=problem, tried=tuple(tried))


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
    """Places that gates, the last evaluation and the card of the model name."""
    yield from job.gates.data.values()
    evaluated = model.metrics.get("evaluation")
    data = evaluated.get("data") if isinstance(evaluated, dict) else None
    if isinstance(data, dict) and isinstance(data.get("uri"), str):
        yield data["uri"]
    for text in _SETTINGS.findall(model.card):
        try:
            settings = yaml.safe_load(text)
        except yaml.YAMLError:
            continue
        if isinstance(settings, dict) and isinstance(settings.get("data"), str):
            yield settings["data"]
