"""One published version on its storage: its files, its marker, its checksums."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from aigc import storage
from aigc.errors import StorageError, StoreError
from aigc.families.config import ModelConfig
from aigc.types import Json

CONFIG, SAMPLES = "config.json", "samples.png"
ATTRIBUTION = "attribution.csv"
TRAINING_DATA = "training_data.json"
"""What the model's training data is, under which licences, and who made it."""
TRAIN_SPEC = "train.yaml"
"""The resolved spec of the training run."""
METRICS, CARD, MARKER, CLAIM = "metrics.json", "README.md", "version.json", "claim.json"

Health = Literal["ok", "collapsed", "unknown"]
"""How training judged the model; `unknown` where it was not watched."""


@dataclass(frozen=True)
class ModelVersion:
    """One published version. Its files never change, extras written by `write_extra` apart."""

    name: str
    version: str
    uri: str
    digest: str
    """sha256 of config.json followed by the weights, in hexadecimal: see `store.weights`."""
    config: ModelConfig
    created_at: float
    """Seconds since the epoch."""
    files: dict[str, str]
    """sha256 of every immutable file, by name."""
    health: Health = "unknown"

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"

    def read(self, file: str) -> bytes:
        """An immutable file of this version. Raises StoreError when it is missing or changed."""
        return _read_checked(self.uri, file, self.files)


def read_version(uri: str) -> ModelVersion:
    """The version in the folder `uri`.

    Raises:
        StoreError: there is none, it was never published, or it is damaged.
    """
    try:
        marker = json.loads(storage.read_bytes(storage.join(uri, MARKER)))
        fields = {key: marker[key] for key in ("name", "version", "digest", "created_at", "files")}
        fields["health"] = marker.get("health", "unknown")
    except StorageError as error:
        if storage.exists(storage.join(uri, CLAIM)):
            raise StoreError(f"{uri}: this version was never published") from None
        raise StoreError(f"no model in {uri} ({error})") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{uri}/{MARKER}: damaged; restore it or use another version") from None
    settings = _read_checked(uri, CONFIG, fields["files"])
    try:
        config = ModelConfig.model_validate_json(settings)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise StoreError(
            f"{uri}/{CONFIG}: not understood ({reason}); was it made by a newer aigc?"
        ) from None
    return ModelVersion(uri=uri, config=config, **fields)


def marker_bytes(version: ModelVersion) -> bytes:
    """The content of version.json."""
    fields = ("name", "version", "digest", "created_at", "files", "health")
    return pretty({"format": 1} | {field: getattr(version, field) for field in fields})


def checksums(files: dict[str, bytes]) -> dict[str, str]:
    return {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}


def pretty(value: Json) -> bytes:
    """JSON for people, the same bytes for the same value."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _read_checked(uri: str, file: str, files: dict[str, str]) -> bytes:
    try:
        data = storage.read_bytes(storage.join(uri, file))
    except StorageError as error:
        raise StoreError(f"{uri}: the model is incomplete ({error})") from None
    if hashlib.sha256(data).hexdigest() != files.get(file):
        raise StoreError(
            f"{uri}/{file}: damaged, its sha256 is not the published one; "
            "restore the file or use another version"
        )
    return data
