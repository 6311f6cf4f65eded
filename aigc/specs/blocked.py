"""What may not be asked for: the `blocked` of `generate` and `serve`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aigc.strict import Location, Spec

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Blocked(Spec):
    """Labels and words that are refused. A list of words is no moderation of meaning."""

    labels: tuple[Name, ...] = ()
    """Labels that are not made, in any case and spelling of accents. A request that names one is
    refused; where nothing is asked for, the others are made."""
    words: tuple[Name, ...] = ()
    """Words, or several in a row, that prompts may not hold, in singular and plural."""
    words_file: Location | None = None
    """Text file with more such words, one a line; lines that begin with # are comments."""

    @property
    def any(self) -> bool:
        return bool(self.labels or self.words or self.words_file)
