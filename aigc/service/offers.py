"""What names stand for, and what keeps a version from being used."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aigc.service.errors import UnfitError
from aigc.store import ModelVersion

RETRY_FAILED_S = 60.0
"""A version that failed is tried again after so long: memory may have been short."""


@dataclass(frozen=True)
class Failure:
    """A version that is not used, and why."""

    ref: str
    reason: str
    at: float
    """Seconds on the monotonic clock."""

    @property
    def left_s(self) -> float:
        """Until it is tried again."""
        return max(0.0, self.at + RETRY_FAILED_S - time.monotonic())

    def error(self) -> UnfitError:
        return UnfitError(
            f"{self.ref} cannot be used: {self.reason}",
            param="model",
            code="model_unfit",
            retry_after_s=self.left_s,
        )


def failed(ref: str, error: Exception) -> Failure:
    return Failure(ref, " ".join(f"{error}".split())[:300] or repr(error), time.monotonic())


@dataclass(frozen=True)
class Offer:
    """What a name stands for now."""

    name: str
    asked: str
    """The reference that is watched."""
    version: ModelVersion
    aliases: dict[str, str]
    """Every alias of the name in the store, and its version."""
    failure: Failure | None = None
    """The version the store would rather have here; or this one, which is offered all the same."""

    @property
    def unfit(self) -> bool:
        """Whether nothing can be made of it."""
        return self.failure is not None and self.failure.ref == self.version.ref
