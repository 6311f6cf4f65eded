"""Validated requests: the model, the sample keys, the format and a label per image."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import numpy as np

from aigc.errors import SpecError, listed
from aigc.generation.delivery import Format
from aigc.job.conditions import find_label, integer_weights, label_pattern
from aigc.job.keys import SampleKeys
from aigc.job.prompts import labels_in
from aigc.modalities.image import SUFFIX
from aigc.service.errors import BadRequestError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import RenderJob
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import Generation, RenderOptions
from aigc.types import Labels

NO_LABEL = "_"
"""Stands for the label in addresses of models that have none."""

_DRAWN_SEEDS = 2**53
"""Random seeds are below 2^53, which JavaScript represents exactly."""
_RANDOM = random.Random()
_LONGEST_PATTERN = 50_000
"""Most elements of a label pattern (indices x labels): 25,000 indices for two labels, 200 KB."""
_PATTERNS = 256
"""Patterns in the cache: about 50 MB if all have the maximum length."""


@dataclass(frozen=True)
class RenderRequest:
    """A render job, and the label, seed and index of each of its images."""

    job: RenderJob
    labels: list[str | None]
    seed: int
    index: int
    truncation: float | None = None
    addressed: bool = True
    """Whether each image has a permanent address."""

    def identity(self, at: int) -> tuple[int, int] | None:
        """Seed and index of image number `at`; None if it is not an item."""
        return self.seed, self.index + at


def generation(
    loaded: LoadedModel, asked: Generation, settings: ServiceSettings, seed: int
) -> RenderRequest:
    """The request `asked` to model `loaded`; `seed` is used if it names none.

    Raises:
        BadRequestError: the model does not have a label, or a limit of the service is exceeded.
    """
    wanted = format_of(loaded, asked.size, asked.output_format, asked.output_compression, settings)
    require_count(asked.n, wanted, settings)
    pattern = _pattern_of(loaded, asked)
    seed = seed if asked.seed is None else asked.seed
    numbers = np.arange(asked.index, asked.index + asked.n, dtype=np.int64)
    labels = pattern[numbers % len(pattern)] if len(pattern) else None
    draws = keys_of(seed, numbers, labels, asked.truncation)
    known = loaded.labels
    names = [None] * asked.n if labels is None else [known[at] for at in labels.tolist()]
    job = RenderJob(loaded, draws, asked.n, wanted)
    return RenderRequest(job, cast("list[str | None]", names), seed, asked.index, asked.truncation)


def item(
    loaded: LoadedModel,
    label: str | None,
    seed: int,
    index: int,
    truncation: float | None,
    as_: Format,
) -> RenderRequest:
    """The request for one item by its permanent address. Raises BadRequestError."""
    at = label_index(loaded, label, "label")
    labels = None if at is None else np.array([at])
    draws = keys_of(seed, np.array([index]), labels, truncation)
    name = None if at is None else loaded.labels[at]
    return RenderRequest(RenderJob(loaded, draws, 1, as_), [name], seed, index, truncation)


def keys_of(
    seed: int, numbers: Labels, labels: Labels | None, truncation: float | None
) -> SampleKeys:
    count = len(numbers)
    cuts = np.full(count, np.inf if truncation is None else truncation)
    return SampleKeys(np.full(count, seed, np.uint64), numbers, labels, cuts)


def draw_seed(repeatable: bytes | None = None) -> int:
    """A seed for a request that names none; the same one for the same `repeatable` bytes."""
    if repeatable is None:
        return _RANDOM.randrange(_DRAWN_SEEDS)
    return int.from_bytes(hashlib.sha256(repeatable).digest()[:8], "big") % _DRAWN_SEEDS


def label_index(loaded: LoadedModel, label: str | None, param: str) -> int | None:
    """None for models without labels. Raises BadRequestError, which lists the labels."""
    if not loaded.labels:
        if label not in (None, NO_LABEL):
            raise BadRequestError(
                f"{param}: {loaded.version.ref} has no labels", param=param, code="unknown_label"
            )
        return None
    if label is None:
        raise BadRequestError(
            f"{param}: name one of {listed(loaded.labels)}", param=param, code="unknown_label"
        )
    try:
        return find_label(loaded.labels, label[:200])
    except SpecError as error:
        raise BadRequestError(str(error), param=param, code="unknown_label") from None


def label_in_prompt(loaded: LoadedModel, prompt: str | None) -> int | None:
    """Index of the label in `prompt`, None without one. Raises BadRequestError for two."""
    found = labels_in(prompt or "", loaded.labels, loaded.version.config.synonyms)
    if len(found) > 1:
        raise BadRequestError(
            f"prompt: names {listed(found)}; name one of them",
            param="prompt",
            code="unknown_label",
        )
    return loaded.labels.index(found[0]) if found else None


def format_of(
    loaded: LoadedModel, size: str, codec: str, quality: int, settings: ServiceSettings
) -> Format:
    """Raises BadRequestError if the size exceeds the limits of the service."""
    width, height = loaded.native.width, loaded.native.height
    if size != "auto":
        width, height = (int(side) for side in size.split("x"))
        most = max(settings.max_side, loaded.native.width, loaded.native.height)
        if max(width, height) > most:
            raise BadRequestError(
                f"size: {size} is too large; at most {most}x{most}", param="size", code="too_large"
            )
    # Codecs count from 1; OpenAI's least is 0.
    return Format(width, height, codec, max(1, quality))  # type: ignore[arg-type]


def require_count(
    n: int, wanted: Format, settings: ServiceSettings, param: str = "n", most: int | None = None
) -> None:
    """Raises BadRequestError if `n` images exceed the limits of a request."""
    most = settings.max_n if most is None else most
    fitting = max(1, settings.max_pixels // (wanted.width * wanted.height))
    if n > min(most, fitting):
        size = f" of {wanted.width}x{wanted.height}" if fitting < most else ""
        raise BadRequestError(
            f"{param}: {n} is too many; at most {min(most, fitting)}{size} a request",
            param=param,
            code="too_large",
        )


def address(order: RenderRequest, at: int) -> str:
    """Path and query of the permanent address of image number `at`."""
    wanted, loaded = order.job.format, order.job.model
    label = quote(order.labels[at] or NO_LABEL, safe="")
    suffix = SUFFIX[wanted.codec]
    path = f"/v1/images/{loaded.version.ref}/{label}/{order.seed}/{order.index + at}{suffix}"
    query = []
    if order.truncation is not None:
        query.append(f"truncation={order.truncation!r}")
    if (wanted.width, wanted.height) != (loaded.native.width, loaded.native.height):
        query.append(f"size={wanted.width}x{wanted.height}")
    if wanted.codec != "png" and wanted.quality != 90:
        query.append(f"quality={wanted.quality}")
    return path + ("?" + "&".join(query) if query else "")


def _pattern_of(loaded: LoadedModel, asked: RenderOptions) -> Labels:
    assert isinstance(asked, Generation)
    labels = asked.labels
    if not loaded.labels and not labels:
        return np.empty(0, np.int64)
    key = tuple(labels.items()) if isinstance(labels, Mapping) else labels and tuple(labels)
    synonyms = tuple(loaded.version.config.synonyms.items())
    usual = loaded.version.config.usual
    return _pattern(loaded.labels, usual, synonyms, key or None, asked.prompt)


def _require_short(shares: Mapping[str, float]) -> None:
    """A pattern is laid out while others wait. Raises SpecError when that would take long."""
    period = sum(integer_weights(list(shares.values())))
    if period * len(shares) > _LONGEST_PATTERN:
        raise SpecError(
            f"labels: the shares are too uneven: they repeat after {period:,} pictures, of "
            f"{len(shares)} labels at most {_LONGEST_PATTERN // len(shares):,} can be; round them"
        )


@functools.lru_cache(maxsize=_PATTERNS)
def _pattern(
    known: tuple[str, ...],
    usual: tuple[str, ...],
    synonyms: tuple[tuple[str, str], ...],
    labels: tuple[str, ...] | tuple[tuple[str, float], ...] | None,
    prompt: str | None,
) -> Labels:
    """Class indices to repeat. Labels win over the prompt; without either it is each of `usual`."""
    try:
        if labels is not None:
            named = dict(labels) if isinstance(labels[0], tuple) else list(labels)
            if isinstance(named, dict):
                _require_short(named)
            return label_pattern(known, cast("dict[str, float]", named))
        if prompt is None or not prompt.strip():
            return label_pattern(known, None, usual)
        found = labels_in(prompt, known, dict(synonyms))
    except SpecError as error:
        raise BadRequestError(str(error), param="labels", code="unknown_label") from None
    if not found:
        raise BadRequestError(
            f"prompt: {prompt[:60]!r} names none of the model's labels: {listed(known)}",
            param="prompt",
            code="unknown_label",
        )
    return label_pattern(known, found)
