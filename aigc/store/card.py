"""The card that goes with a model: what it is, what it was made from, what it is good for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aigc.families.config import ModelConfig
from aigc.families.origin import UNKNOWN
from aigc.modalities import MODALITIES
from aigc.types import Json

_USE = """\
## Intended use

Making synthetic {items} of the kind the training data holds, in bulk or on request: filling \
catalogues and layouts, testing, data augmentation, teaching. What it makes is **AI-generated** \
and is to be labelled as such wherever it is published; `aigc generate` marks every file.

## Limits

It knows only what its training data shows, {shape}, and repeats that data's \
gaps and biases. It may reproduce training {items} closely; `aigc evaluate` measures how closely. \
Do not use its output as evidence of anything real.
"""
_IMPORTED = """\
## Origin

It was made elsewhere and imported. {licence} Of its training data is known what its source says.
"""


def model_card(
    name: str,
    version: str,
    digest: str,
    config: ModelConfig,
    metrics: Json | None,
    *,
    about: str | None,
    has_samples: bool,
) -> str:
    """The README.md of a version, Markdown with the front matter model hubs read.

    `about` is the publisher's own text on data and recipe; without it the configuration is shown.
    """
    kind = MODALITIES[config.modality]
    parts = [
        _front_matter(config),
        f"# {name} {version}\n",
        "![samples](samples.png)\n" if has_samples else "",
        _identity(digest, config),
        about.strip() + "\n" if about else _recipe(config),
        _origin(config),
        _figures(metrics),
        _USE.format(items=kind.title, shape=kind.source.in_words(config.item)),
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(config: ModelConfig) -> str:
    licence = "" if config.origin is None else f"license: {json.dumps(config.origin.licence)}\n"
    task = config.learning.task
    pipeline = f"pipeline_tag: {task}\n" if task else ""
    return (
        f"---\nlibrary_name: aigc\n{pipeline}{licence}"
        f"tags: [{config.modality}-generation, {config.architecture.family}, ai-generated]\n---\n"
    )


def _origin(config: ModelConfig) -> str:
    if config.origin is None:
        return ""
    licence = f"Its licence: {config.origin.licence}."
    if config.origin.licence == UNKNOWN:
        licence = "**Its licence is unknown**: ask its author before you use what it makes."
    rows = [
        ("imported", f"`{config.origin.name}`"),
        ("licence", config.origin.licence),
        ("source", config.origin.source),
        ("sha256", f"`{config.origin.sha256}`"),
    ]
    return _IMPORTED.format(licence=licence) + "\n" + table(rows)


def _identity(digest: str, config: ModelConfig) -> str:
    kind = MODALITIES[config.modality]
    labels = ", ".join(config.labels) or "none"
    untrained = [("labels without training items", ", ".join(config.untrained))]
    rows = [
        ("kind", config.family.title + (", by class" if config.conditional else "")),
        (kind.title, kind.source.in_words(config.item)),
        ("labels", labels),
        *(untrained if config.untrained else []),
        ("model digest", f"`{digest}`"),
        ("training data digest", f"`{config.data_digest}`" if config.data_digest else "not given"),
    ]
    return table(rows)


def _recipe(config: ModelConfig) -> str:
    return "## Recipe\n\n" + table(list(config.architecture.model_dump(mode="json").items()))


def _figures(metrics: Json | None) -> str:
    plain = [(key, value) for key, value in (metrics or {}).items() if _is_plain(value)]
    if not plain:
        return "## Figures\n\nSee `metrics.json` once `aigc evaluate` has run.\n"
    return "## Figures at publication\n\n" + table(plain)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str)


def table(rows: Sequence[tuple[str, Any]]) -> str:
    """Markdown, two columns without a heading."""
    lines = [f"| {key} | {_cell(value)} |" for key, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines]) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
