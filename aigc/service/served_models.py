"""The versions that names refer to, and the failures of unhealthy ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from aigc.service.errors import UnhealthyModelError
from aigc.store import ModelStore, ModelVersion
from aigc.store.models import LATEST

RETRY_FAILED_S = 60.0
"""A failed version is tried again after this time, since memory may have been short."""
_REMEMBER_MISSING_S = 2.0
_MOST_MISSING = 256


@dataclass(frozen=True)
class ModelFailure:
    """An unhealthy version and the reason."""

    ref: str
    reason: str
    at: float
    """Time of the failure on the monotonic clock."""

    @property
    def left_s(self) -> float:
        """Seconds until it is tried again."""
        return max(0.0, self.at + RETRY_FAILED_S - time.monotonic())

    def error(self) -> UnhealthyModelError:
        return UnhealthyModelError(
            f"{self.ref} cannot be used: {self.reason}",
            param="model",
            code="model_unhealthy",
            retry_after_s=self.left_s,
        )


def failed(ref: str, error: Exception) -> ModelFailure:
    return ModelFailure(ref, " ".join(f"{error}".split())[:300] or repr(error), time.monotonic())


@dataclass(frozen=True)
class ServedModel:
    """A name, or an alias of it, and the version that it refers to now."""

    name: str
    asked: str
    """The reference that is polled in the store."""
    version: ModelVersion
    aliases: dict[str, str]
    """All aliases of the name in the store, and their versions."""
    failure: ModelFailure | None = None
    """Failure of a newer version, which is not served; or of this version."""

    @property
    def unhealthy(self) -> bool:
        """Whether requests for it fail."""
        return self.failure is not None and self.failure.ref == self.version.ref


class MissingModels:
    """References missing in the store, remembered briefly to spare it a query per request."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, ref: str) -> bool:
        return self._until.get(ref, 0.0) >= time.monotonic()

    def add(self, ref: str) -> None:
        if len(self._until) >= _MOST_MISSING:
            self._until.clear()
        self._until[ref] = time.monotonic() + _REMEMBER_MISSING_S


def before(store: ModelStore, asked: str, wanted: ModelVersion) -> Iterator[ModelVersion]:
    """Earlier versions of `asked`, newest first; none for a pinned version."""
    name, _, alias = asked.partition("@")
    if "/" in asked or alias == wanted.version:
        return
    if alias in ("", LATEST):
        earlier = [version.version for version in store.versions(name)]
    else:
        earlier = [move.version for move in store.history(name, alias)]
    for version in dict.fromkeys(reversed(earlier)):
        if version != wanted.version:
            yield store.resolve(f"{name}@{version}")
