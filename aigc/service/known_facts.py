"""What schedules and prompts are read against: facts of a model, less what the service blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aigc.conditions.blocked import NOTHING_BLOCKED, BlockList
from aigc.families.config import ModelConfig
from aigc.strict import Spec


@dataclass(frozen=True)
class KnownFacts:
    """Of a model's config.json; equal where the facts are."""

    takes: tuple[str, ...]
    architecture: Spec
    labels: tuple[str, ...]
    usual: tuple[str, ...]
    words: tuple[tuple[str, str], ...]

    @property
    def synonyms(self) -> Mapping[str, str]:
        return dict(self.words)


def facts_of(config: ModelConfig, blocked: BlockList = NOTHING_BLOCKED) -> KnownFacts:
    """Without those usual labels that are blocked."""
    words, usual = tuple(config.synonyms.items()), blocked.allowed(config.usual)
    return KnownFacts(config.takes, config.architecture, config.labels, usual, words)
