"""Which of six classes a drum is, by its name or by its key in General MIDI."""

from __future__ import annotations

import re

CLASSES = ("kick", "snare", "hihat", "tom", "cymbal", "percussion")
_WORDS = {
    "hihat": "hh|ohh|hats?|hihats?|hi-?hats?|hi hats?",
    "percussion": "side stick|sticks?|rim ?(click|tap|shot)?|claps?|cow ?bells?|snaps?|claves?|"
    "woodblocks?|tambourines?|maracas?|agogos?|congas?|bongos?|cajon|djembe\\d?|sangban\\d?|"
    "dununba\\d?|kenkeni\\d?|shaker|cabasa|guiro|triangle|timbale|tumba|castanet|waterglass(hi|lo)?|"
    "vibra ?slap|sleigh bells",
    "snare": "snares?\\d?|snr|piccolo",
    "kick": "kicks?\\d?|bass ?drum|bd",
    "cymbal": "cymbals?|crash(es)?(\\d+inch.*)?|crsh|rides?\\d?|ride-.*|crash/ride|splash|china|"
    "bellride|(paiste|sabian) .*",
    "tom": "toms?|tomhi\\d?|electtom",
}
"""In this order: a closed hi-hat is no cymbal, a snare's rim click no snare."""
_PATTERNS = {
    name: re.compile(rf"(?<![a-z])({words})(?![a-z])", re.IGNORECASE)
    for name, words in _WORDS.items()
}
_NOT_HIT = re.compile(r"roll|swirl|whistle|zap|fx|scratch", re.IGNORECASE)
_KEYS = {
    "kick": {35, 36},
    "snare": {38, 40},
    "hihat": {42, 44, 46},
    "tom": {41, 43, 45, 47, 48, 50},
    "cymbal": {49, 51, 52, 53, 55, 57, 59},
    "percussion": {37, 39, 54, 56, 58, *range(60, 71), *range(73, 86)},
}


def class_by_name(name: str) -> str:
    """One of `CLASSES`; empty when the name says none, or something else than one hit."""
    if _NOT_HIT.search(name):
        return ""
    return next((c for c, pattern in _PATTERNS.items() if pattern.search(name)), "")


def class_by_key(key: int) -> str:
    """One of `CLASSES`; empty for keys that are no drum, whistles and clicks."""
    return next((name for name, keys in _KEYS.items() if key in keys), "")
