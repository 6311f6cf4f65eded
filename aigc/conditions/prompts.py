"""Finds labels in the words of a prompt, for models with fixed classes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from aigc.conditions.labels import fold
from aigc.conditions.names import class_name

_WORDS = re.compile(r"[^\W_]+")


def labels_in(
    prompt: str, known: Sequence[str], synonyms: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The labels that `prompt` names, in its order, each once; empty if there are none.

    A prompt that equals a label, ignoring case, names that label alone. Otherwise whole words are
    matched, the longest name first ("ankle boot" before "boot"), in singular and plural. A label
    "T-shirt/top" is also named by either half. `synonyms` maps additional words to labels.
    """
    text = class_name(prompt)
    if text in known:
        return [text]
    exact, names, longest = _names(tuple(known), tuple(synonyms.items()))
    if fold(text) in exact:
        return [exact[fold(text)]]
    words = words_of(text)
    found: dict[str, None] = {}
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            label = names.get(words[at : at + length])
            if label is not None:
                found[label] = None
                at += length - 1
                break
        at += 1
    return list(found)


@functools.lru_cache(maxsize=16)
def _names(
    known: tuple[str, ...], synonyms: tuple[tuple[str, str], ...]
) -> tuple[dict[str, str], dict[tuple[str, ...], str], int]:
    """(label by folded text, label by its words, largest number of words of a name).

    If two labels match, the order is: own spelling, synonym, half of a name, singular or plural.
    """
    exact: dict[str, str] = {}
    for name, label in [*((label, label) for label in known), *synonyms]:
        exact.setdefault(fold(name), label)
    whole = [(words_of(name), label) for name, label in exact.items()]
    halves = [
        (words_of(half), label) for label in known if "/" in label for half in label.split("/")
    ]
    names: dict[tuple[str, ...], str] = {}
    for words, label in [*whole, *halves]:
        if words:
            names.setdefault(words, label)
    for words, label in list(names.items()):
        for last in numbers_of(words[-1]):
            names.setdefault((*words[:-1], last), label)
    return exact, names, max(map(len, names), default=0)


def words_of(text: str) -> tuple[str, ...]:
    """Its runs of letters and digits, in lower case."""
    return tuple(word.casefold() for word in _WORDS.findall(class_name(text)))


def numbers_of(word: str) -> Iterator[str]:
    """Possible English plurals of a singular, and singulars of a plural."""
    if len(word) < 2 or word.isdigit():
        return
    yield from (f"{word}s", f"{word}es")
    if word.endswith("y"):
        yield f"{word[:-1]}ies"
    if word.endswith(("f", "fe")):
        yield f"{word.rstrip('e')[:-1]}ves"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        yield word[:-1]
    if word.endswith("es") and len(word) > 4:
        yield word[:-2]
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
