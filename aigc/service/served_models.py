"""What names stand for, and what keeps a version from being used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from aigc.service.errors import UnhealthyModelError
from aigc.store import ModelStore, ModelVersion
from aigc.store.models import LATEST

RETRY_FAILED_S = 60.0
"""A version that failed is tried again after so long: memory may have been short."""
_REMEMBER_MISSING_S = 2.0
_MOST_MISSING = 256


@dataclass(frozen=True)
class ModelFailure:
    """A version that is not used, and why."""

    ref: str
    reason: str
    at: float
    """Seconds on the monotonic clock."""

    @property
    def left_s(self) -> float:
        """Until it is tried again."""
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
    """What a name, or an alias of it, stands for now."""

    name: str
    asked: str
    """The reference that is watched."""
    version: ModelVersion
    aliases: dict[str, str]
    """Every alias of the name in the store, and its version."""
    failure: ModelFailure | None = None
    """The version the store would rather have here; or this one, which is offered all the same."""

    @property
    def unhealthy(self) -> bool:
        """Whether nothing can be made of it."""
        return self.failure is not None and self.failure.ref == self.version.ref


class MissingModels:
    """References that the store has not, for a moment: it is not asked at each request."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, ref: str) -> bool:
        return self._until.get(ref, 0.0) >= time.monotonic()

    def add(self, ref: str) -> None:
        if len(self._until) >= _MOST_MISSING:
            self._until.clear()
        self._until[ref] = time.monotonic() + _REMEMBER_MISSING_S


def before(store: ModelStore, asked: str, wanted: ModelVersion) -> Iterator[ModelVersion]:
    """What `asked` stood for earlier, newest first; nothing for a pinned version."""
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
