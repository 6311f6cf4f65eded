"""Progress and timing of an evaluation's stages."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from aigc.types import Report


class StageProgress:
    """Counts images towards one total and seconds by stage, and passes both on.

    A stage found in a cache counts its images at once.
    """

    def __init__(self, report: Report, total: int, done: int = 0) -> None:
        self._report = report
        self._total = total
        self._done = done
        self._name = ""
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, images: int = 0) -> Iterator[None]:
        self._name, start, before = name, time.monotonic(), self._done
        self.seen(0)
        yield
        self.seen(before + images - self._done)
        self.seconds[name] = round(time.monotonic() - start, 2)

    def seen(self, images: int) -> None:
        self._done += images
        self._report(min(self._done, self._total), self._total, stage=self._name)
