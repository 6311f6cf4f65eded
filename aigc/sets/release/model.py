"""What the store says of the model that made a set."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from aigc import storage
from aigc.errors import AigcError
from aigc.job.plan import Job
from aigc.store.version import CARD, METRICS, TRAIN_SPEC, ModelVersion, read_version
from aigc.types import Json


@dataclass(frozen=True)
class ModelFacts:
    """`version` is None where the model is gone or another one lies there; `problem` says so."""

    version: ModelVersion | None = None
    problem: str = ""
    metrics: Json = field(default_factory=dict)
    """Content of its metrics.json."""
    card: str = ""
    """Its README.md."""
    train_spec: str = ""
    """What it was trained with, in YAML."""

    @property
    def data_digest(self) -> str:
        """Of what it was trained on; empty where that is not known."""
        return self.version.config.data_digest if self.version else ""


def read_model(job: Job) -> ModelFacts:
    """Of the model of `job`, which may have been deleted since."""
    try:
        version = read_version(job.model_uri)
        if version.digest != job.model_digest:
            other = f"{job.model_uri}: holds another model now, digest {version.digest[:12]}"
            return ModelFacts(problem=other)
        card, spec = (_text(version, name) for name in (CARD, TRAIN_SPEC))
        return ModelFacts(version, "", _metrics(version), card, spec)
    except AigcError as error:
        return ModelFacts(problem=f"the model was not found: {error}")


def _text(version: ModelVersion, name: str) -> str:
    data = storage.read_if_there(storage.join(version.uri, name)) or b""
    return data.decode("utf-8", "replace")


def _metrics(version: ModelVersion) -> Json:
    try:
        found = json.loads(_text(version, METRICS) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
