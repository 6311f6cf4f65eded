"""What may not be asked for: labels, and words of prompts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from aigc.conditions.labels import fold
from aigc.conditions.prompts import numbers_of, words_of

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Scripts that are written without blanks between words: Thai, Lao, Burmese, Khmer, kana, Han."""


@dataclass(frozen=True)
class BlockList:
    """Labels and words as a user wrote them; empty blocks nothing.

    Labels match whatever their case and the spelling of accents. Words match whole words of a
    prompt, one or several in a row, in singular and plural; words of scripts without blanks match
    anywhere in it.
    """

    labels: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.words)

    def label_of(self, names: Iterable[str]) -> str | None:
        """The first of `names` that is blocked."""
        return next((name for name in names if fold(name) in self._labels), None)

    def allowed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that are not blocked."""
        if not self.labels:
            return tuple(names)
        return tuple(name for name in names if fold(name) not in self._labels)

    def word_in(self, prompt: str) -> str | None:
        """The first blocked word that `prompt` holds, as it stands in the list."""
        if not self.words:
            return None
        text = _plain(prompt)
        for run, word in self._runs.items():
            if run in text:
                return word
        phrases, longest = self._phrases
        words = words_of(text)
        for at in range(len(words) if phrases else 0):
            for length in range(1, min(longest, len(words) - at) + 1):
                if (found := phrases.get(words[at : at + length])) is not None:
                    return found
        return None

    @cached_property
    def _labels(self) -> frozenset[str]:
        return frozenset(map(fold, self.labels))

    @cached_property
    def _runs(self) -> dict[str, str]:
        return {_plain(word).strip(): word for word in self.words if _UNSPACED.search(word)}

    @cached_property
    def _phrases(self) -> tuple[dict[tuple[str, ...], str], int]:
        """The listed word by its words, and the most words of one."""
        phrases: dict[tuple[str, ...], str] = {}
        for word in self.words:
            parts = words_of(_plain(word))
            if parts and not _UNSPACED.search(word):
                for last in (parts[-1], *numbers_of(parts[-1])):
                    phrases.setdefault((*parts[:-1], last), word)
        return phrases, max(map(len, phrases), default=0)


NOTHING_BLOCKED = BlockList()


def _plain(text: str) -> str:
    """Letters in one form: full-width, ligatures and the like as plain ones, in lower case."""
    return unicodedata.normalize("NFKC", text).casefold()
