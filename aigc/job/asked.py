"""What a spec asks of a model: conditions, and the knobs of its family."""

from __future__ import annotations

from typing import Any

from aigc.conditions import CONDITIONS, Schedule
from aigc.conditions.blocked import BlockList
from aigc.errors import BlockedError, SpecError, listed
from aigc.families.config import ModelConfig
from aigc.specs import GenerateSpec, build


def schedules_of(spec: GenerateSpec, config: ModelConfig) -> dict[str, Schedule]:
    """What items are asked to be, by condition; where nothing is asked for, what is blocked is left
    out.

    Raises:
        SpecError: the model does not take it. BlockedError: it is blocked, or everything is.
    """
    asked = spec.asked
    for name in asked:
        if name not in config.takes:
            there = listed([CONDITIONS[taken].title for taken in config.takes]) or "none"
            title = CONDITIONS[name].title if name in CONDITIONS else f"conditions.{name}"
            raise SpecError(f"{title}: this model has none; leave {title} out (it takes: {there})")
    blocked = BlockList(spec.blocked.labels)
    return {name: _schedule(name, asked.get(name), config, blocked) for name in config.takes}


def _schedule(name: str, asked: Any, config: ModelConfig, blocked: BlockList) -> Schedule:
    found = CONDITIONS[name].schedule(asked, config)
    names = list(dict.fromkeys(CONDITIONS[name].shown(found.values, config))) if blocked else []
    refused = blocked.label_of(names)
    if refused is None:
        return found
    title = CONDITIONS[name].title
    if asked is not None:
        raise BlockedError(f"{title} = {refused}: blocked by blocked.labels; leave it out")
    left = blocked.allowed(names)
    if not left:
        raise BlockedError(f"blocked.labels: blocks all {title} that the model makes")
    return CONDITIONS[name].schedule(left, config)


def sampling_of(spec: GenerateSpec, config: ModelConfig) -> dict[str, float | None]:
    """The sampling settings of the model's family. Raises SpecError."""
    found = build(config.family.sampling, dict(spec.sampling)).model_dump()
    for name, value in found.items():
        if value is not None and name not in config.settings:
            raise SpecError(f"{name} = {value:g}: has no effect on the model; leave it out")
    return found


def asked_condition(config: ModelConfig) -> str:
    """The condition that a brief or a prompt sets: the model's, or the first where it has none.

    Raises:
        SpecError: the model takes several.
    """
    if len(config.takes) > 1:
        titles = listed([CONDITIONS[name].title for name in config.takes])
        raise SpecError(f"briefs: the model takes {titles}, a brief sets one of them only")
    return next(iter(config.takes or CONDITIONS))
