"""Validated requests: the model, the sample keys, the format and the conditions' names."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote

import numpy as np
from pydantic import BaseModel

from aigc.conditions.blocked import NOTHING_BLOCKED, BlockList
from aigc.job.keys import keys_of
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import ItemFormat, quality_refusal
from aigc.modalities.image import SUFFIX
from aigc.modalities.image.delivery import Format
from aigc.service.errors import BadRequestError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import RenderJob
from aigc.service.request_conditions import (
    NOTHING,
    asked_conditions,
    conditions_in,
    knobs_of,
    names_of,
)
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import FileOptions, Generation

_DRAWN_SEEDS = 2**53
"""Random seeds are below 2^53, which JavaScript represents exactly."""
_RANDOM = random.Random()


@dataclass(frozen=True)
class RenderRequest:
    """A render job, and the label, seed and index of each of its images."""

    job: RenderJob
    labels: list[str | None]
    seed: int
    index: int
    sampling: Mapping[str, float | None] = field(default_factory=dict)
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
        BadRequestError: the model does not take a condition, or a limit of the service is exceeded.
    """
    wanted = requested_format(loaded, asked, settings)
    require_count(asked.n, wanted, settings)
    seed = seed if asked.seed is None else asked.seed
    numbers = np.arange(asked.index, asked.index + asked.n, dtype=np.int64)
    conditions = asked_conditions(loaded, asked, numbers, settings.blocked)
    sampling = knobs_of(loaded, asked)
    job = RenderJob(loaded, keys_of(seed, numbers, conditions, sampling), asked.n, wanted)
    return RenderRequest(job, names_of(loaded, conditions, asked.n), seed, asked.index, sampling)


def item(
    loaded: LoadedModel,
    wish: str | None,
    seed: int,
    index: int,
    asked: BaseModel,
    as_: ItemFormat,
    blocked: BlockList = NOTHING_BLOCKED,
) -> RenderRequest:
    """The request for one item by its permanent address: `wish` is its condition, `asked` may set
    sampling settings. Raises BadRequestError."""
    conditions, sampling = conditions_in(loaded, wish, "label", blocked), knobs_of(loaded, asked)
    keys = keys_of(seed, np.array([index]), conditions, sampling)
    job = RenderJob(loaded, keys, 1, as_)
    return RenderRequest(job, names_of(loaded, conditions, 1), seed, index, sampling)


def draw_seed(repeatable: bytes | None = None) -> int:
    """A seed for a request that names none; the same one for the same `repeatable` bytes."""
    if repeatable is None:
        return _RANDOM.randrange(_DRAWN_SEEDS)
    return int.from_bytes(hashlib.sha256(repeatable).digest()[:8], "big") % _DRAWN_SEEDS


def requested_format(loaded: LoadedModel, asked: FileOptions, settings: ServiceSettings) -> Format:
    """As `format_of`."""
    size, codec, quality = asked.size, asked.output_format, asked.compression
    return format_of(loaded, size, codec, quality, settings, "output_compression")


def format_of(
    loaded: LoadedModel,
    size: str,
    codec: str,
    quality: int | None,
    settings: ServiceSettings,
    param: str = "quality",
) -> Format:
    """`param` is what the request calls the quality.

    Raises BadRequestError if the model does not generate images, the quality has no effect, the
    size exceeds the limits of the service, or there is no room for its visible label.
    """
    native = native_image(loaded)
    require_effect(loaded.renderer.delivery, codec, quality, param)
    width, height = native.width, native.height
    if size != "auto":
        width, height = (int(side) for side in size.split("x"))
        most = max(settings.max_side, native.width, native.height)
        if max(width, height) > most:
            raise BadRequestError(
                f"size: {size} is too large; at most {most}x{most}", param="size", code="too_large"
            )
    wanted = Format(width, height, codec, quality or native.quality)  # type: ignore[arg-type]
    loaded.origin.require_possible(loaded.renderer.form, wanted)
    return wanted


def require_effect(delivery: Delivery, codec: str, quality: int | None, param: str) -> None:
    """Raises BadRequestError where the quality asked for, None if there is none, has no effect."""
    if quality is not None and (why := quality_refusal(delivery.codecs, codec, quality)):
        raise BadRequestError(f"{param} = {quality}: {why}", param=param, code="invalid_value")


def native_image(loaded: LoadedModel) -> Format:
    """As the model makes it. Raises BadRequestError when it makes something else than images."""
    native = loaded.native
    if not isinstance(native, Format):
        title = MODALITIES[loaded.version.config.modality].title
        raise BadRequestError(
            f"model: {loaded.version.ref} makes {title}, this is an address of images; use "
            "GET /v1/items/{model}/{condition}/{seed}/{index}{suffix}",
            param="model",
            code="not_supported",
        )
    return native


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


def address(render: RenderRequest, at: int) -> str:
    """Path and query of the permanent address of image number `at`."""
    wanted, loaded = cast("Format", render.job.format), render.job.model
    native = native_image(loaded)
    label = quote(render.labels[at] or NOTHING, safe="")
    suffix = SUFFIX[wanted.codec]
    path = f"/v1/images/{loaded.version.ref}/{label}/{render.seed}/{render.index + at}{suffix}"
    query = []
    query += [f"{name}={value!r}" for name, value in render.sampling.items() if value is not None]
    if (wanted.width, wanted.height) != (native.width, native.height):
        query.append(f"size={wanted.width}x{wanted.height}")
    if wanted.codec != "png" and wanted.quality != 90:
        query.append(f"quality={wanted.quality}")
    return path + ("?" + "&".join(query) if query else "")
