"""Items of a content set as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aigc.job.keys import Ints
from aigc.job.plan import Job
from aigc.modalities.base import Items
from aigc.modalities.delivery import ItemFormat
from aigc.types import Labels, UInt8Images


@dataclass(frozen=True)
class StoredItem:
    """One stored item: its file, or its values if raw."""

    file: bytes
    format: ItemFormat
    job: Job

    def values(self) -> Items:
        """The item as it is delivered (*shape). Raises ValueError when it is damaged."""
        return self.job.delivery.decode(self.file, self.job.form, self.format)

    @property
    def unsigned(self) -> bytes:
        """The file as it was before signing."""
        return self.job.as_unsigned([self.file])[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.job.delivery.delivered(self.job.form, self.format).shape

    def look(self, most: int) -> UInt8Images:
        """A picture of it, uint8 (h, w, C), at most `most` pixels a side."""
        return self.job.delivery.look(self.values(), self.job.form, most)

    def shown(self) -> tuple[bytes, str]:
        """A file that browsers show or play, and its media type."""
        return self.job.delivery.shown(self.file, self.job.form, self.format)

    def element(self, title: str) -> str:
        """HTML that shows or plays it, with the file in it."""
        return self.job.delivery.element(self.file, self.job.form, self.format, title)


@dataclass(frozen=True)
class StoredRows:
    """Rows of one shard in order: ids, indices, candidates and seeds (N,), items' files, class
    indices (N,) or None; `formats` are the columns that say row by row how an item is delivered,
    by name. `files` is empty where they were not asked for."""

    ids: list[str]
    indices: Ints
    candidates: Ints
    seeds: Ints
    files: list[bytes]
    labels: Labels | None
    formats: dict[str, list[Any]]

    def format(self, at: int, job: Job) -> ItemFormat:
        """Of row `at`: the job's where the set says no other."""
        if not self.formats:
            return job.item_format
        said = {name: values[at] for name, values in self.formats.items()}
        return job.delivery.format_of(job.form, said)

    def item(self, at: int, job: Job) -> StoredItem:
        return StoredItem(self.files[at], self.format(at, job), job)
