"""What a request asks items to be: conditions and sampling knobs from its fields."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel

from aigc.conditions import CONDITIONS, Values
from aigc.conditions.blocked import NOTHING_BLOCKED, BlockList
from aigc.conditions.labels import integer_weights
from aigc.errors import SpecError, listed
from aigc.families.config import ModelConfig
from aigc.job.keys import Ints
from aigc.service.errors import BadRequestError, ContentRefusedError
from aigc.service.known_facts import KnownFacts
from aigc.service.loaded_model import LoadedModel
from aigc.specs.generate import knobs
from aigc.specs.requests import Generation

NOTHING = "_"
"""Stands for the condition in addresses of models that take none."""

_LONGEST_PATTERN = 50_000
"""Values of a schedule times its shares; of two labels, 25,000 values or 200 KB."""
_PATTERNS = 256
"""Kept: some 50 MB if all are as long as can be."""

Shares = tuple[str, ...] | tuple[tuple[str, float], ...]


def asked_conditions(
    loaded: LoadedModel,
    asked: Generation,
    numbers: Ints,
    blocked: BlockList = NOTHING_BLOCKED,
) -> dict[str, Values]:
    """The values (N,) of the items `numbers` (N,), by condition.

    Raises:
        BadRequestError: the model does not take them. ContentRefusedError: they are blocked.
    """
    config = loaded.version.config
    shares = asked.labels
    require_allowed_prompt(asked.prompt, blocked)
    key = tuple(shares.items()) if isinstance(shares, Mapping) else shares and tuple(shares)
    if key and not config.takes:
        raise BadRequestError(
            "labels: this model has none; leave labels out", param="labels", code="unknown_label"
        )
    name = condition_of(loaded)
    if name is None:
        return {}
    values = pattern(name, loaded.facts, key or None, asked.prompt)
    require_allowed(name, values, config, blocked, "labels" if key else "prompt")
    return {name: values[numbers % len(values)]}


def condition_of(loaded: LoadedModel) -> str | None:
    """The name of the condition that the model takes; None if it takes none.

    Raises:
        BadRequestError: it takes several, of which a request can set one only.
    """
    takes = loaded.version.config.takes
    if len(takes) > 1:
        titles = listed([CONDITIONS[name].title for name in takes])
        raise BadRequestError(
            f"model: {loaded.version.ref} takes {titles}, and a request sets one of them only; use "
            "aigc generate, whose spec sets each under conditions",
            param="model",
            code="not_supported",
        )
    return takes[0] if takes else None


def require_allowed_prompt(prompt: str | None, blocked: BlockList) -> None:
    """Raises ContentRefusedError when it holds a blocked word."""
    if prompt and (word := blocked.word_in(prompt)) is not None:
        raise ContentRefusedError(f"prompt: {word!r} is blocked here", param="prompt")


def require_allowed(
    name: str, values: Values, config: ModelConfig, blocked: BlockList, param: str
) -> None:
    """Raises ContentRefusedError when one of the condition's `values` is blocked."""
    if not blocked.labels:
        return
    shown = CONDITIONS[name].shown(values, config)
    if (label := blocked.label_of(dict.fromkeys(shown))) is not None:
        raise ContentRefusedError(f"{param}: {label!r} is blocked here", param=param)


def conditions_in(
    loaded: LoadedModel, text: str | None, param: str, blocked: BlockList = NOTHING_BLOCKED
) -> dict[str, Values]:
    """The one value that `text` names, (1,); {} for models that take no condition.

    Raises:
        BadRequestError: there is no such value; lists those there are. ContentRefusedError: it is
            blocked.
    """
    config, name = loaded.version.config, condition_of(loaded)
    if name is None:
        if text not in (None, NOTHING):
            raise BadRequestError(
                f"{param}: {loaded.version.ref} has no labels", param=param, code="unknown_label"
            )
        return {}
    if text is None:
        there = CONDITIONS[name].schedule(None, config).names or (CONDITIONS[name].title,)
        raise BadRequestError(
            f"{param}: name one of {listed(there)}", param=param, code="unknown_label"
        )
    try:
        values = np.array([CONDITIONS[name].value(text[:200], config)])
    except SpecError as error:
        raise BadRequestError(str(error), param=param, code="unknown_label") from None
    require_allowed(name, values, config, blocked, param)
    return {name: values}


def prompted_value(
    loaded: LoadedModel, prompt: str | None, blocked: BlockList = NOTHING_BLOCKED
) -> dict[str, Values]:
    """The one value that `prompt` names, (1,), by condition; {} where it names none.

    Raises:
        BadRequestError: it names several values, or the model takes several conditions.
            ContentRefusedError: it names what is blocked.
    """
    config, name = loaded.version.config, condition_of(loaded)
    require_allowed_prompt(prompt, blocked)
    if name is None or prompt is None or not prompt.strip():
        return {}
    try:
        values = np.array(list(dict.fromkeys(CONDITIONS[name].prompted(prompt, config).pattern)))
    except SpecError:
        return {}
    if len(values) > 1:
        shown = listed(CONDITIONS[name].shown(values, config))
        raise BadRequestError(
            f"prompt: names {shown}; a picture can become one",
            param="prompt",
            code="unknown_label",
        )
    require_allowed(name, values, config, blocked, "prompt")
    return {name: values}


def knobs_of(loaded: LoadedModel, asked: BaseModel) -> dict[str, float | None]:
    """The sampling settings of the model's family that `asked` has fields for.

    Raises:
        BadRequestError: `asked` sets one of another family.
    """
    for name in sorted(asked.model_fields_set & knobs()):
        if name not in loaded.version.config.settings and getattr(asked, name) is not None:
            raise BadRequestError(
                f"{name}: {loaded.version.ref} has no such setting; leave it out",
                param=name,
                code="not_supported",
            )
    return {name: getattr(asked, name) for name in loaded.sampling if hasattr(asked, name)}


def names_of(loaded: LoadedModel, conditions: Mapping[str, Values], count: int) -> list[str | None]:
    """Of each item what it is asked to be, for people; None where nothing is."""
    config = loaded.version.config
    each = [CONDITIONS[name].shown(values, config) for name, values in conditions.items()]
    return [", ".join(row) for row in zip(*each, strict=True)] if each else [None] * count


def _require_short(shares: Mapping[str, float]) -> None:
    """A schedule is laid out while others wait. Raises SpecError when that would take long."""
    period = sum(integer_weights(list(shares.values())))
    if period * len(shares) > _LONGEST_PATTERN:
        raise SpecError(
            f"labels: the shares are too uneven: they repeat after {period:,} pictures, of "
            f"{len(shares)} labels at most {_LONGEST_PATTERN // len(shares):,} can be; round them"
        )


@functools.lru_cache(maxsize=_PATTERNS)
def pattern(name: str, facts: KnownFacts, shares: Shares | None, prompt: str | None) -> Values:
    """Values to repeat. Shares win over the prompt; without either it is what the model makes when
    nothing is asked for."""
    condition = CONDITIONS[name]
    try:
        if shares is not None:
            named = dict(shares) if isinstance(shares[0], tuple) else list(shares)
            if isinstance(named, dict):
                _require_short(named)
            return condition.schedule(named, facts).values
        if prompt is None or not prompt.strip():
            return condition.schedule(None, facts).values
        return condition.prompted(prompt, facts).values
    except SpecError as error:
        param = "prompt" if str(error).startswith("prompt: ") else "labels"
        raise BadRequestError(str(error), param=param, code="unknown_label") from None
