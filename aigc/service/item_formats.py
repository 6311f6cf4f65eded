"""The format of an item of any modality, from the end of its address and its query."""

from __future__ import annotations

import functools
from typing import Annotated, Any, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, create_model

from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import CODEC, QUALITY, RAW, ItemFormat
from aigc.service.bodies import parse_form
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.service.loaded_model import LoadedModel
from aigc.service.render_requests import RenderRequest, require_effect
from aigc.service.request_conditions import NOTHING
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import Truncation

_VALUES_A_PIXEL = 3


class KnobQuery(BaseModel):
    """What a query may say of an item of any modality."""

    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = None


def delivery_of(loaded: LoadedModel) -> Delivery:
    return MODALITIES[loaded.version.config.modality].delivery


def suffixes(delivery: Delivery) -> dict[str, str]:
    """The codec that each end of an address asks for, with the dot."""
    return {kind.suffix: codec for codec, kind in delivery.codecs.items() if codec != RAW}


def codec_of(loaded: LoadedModel, suffix: str) -> str:
    """Raises NotFoundError, which names those there are."""
    known = suffixes(delivery_of(loaded))
    if suffix not in known:
        title = MODALITIES[loaded.version.config.modality].title
        raise NotFoundError(
            f"{suffix[:20]}: {loaded.version.ref} makes {title}; end the address in "
            f"{', '.join(known)}"
        )
    return known[suffix]


def format_of_query(
    loaded: LoadedModel, codec: str, query: dict[str, Any], settings: ServiceSettings
) -> tuple[ItemFormat, KnobQuery]:
    """The format, and what the query says of the family's knobs.

    Raises:
        BadRequestError: an unknown field, a wrong value, a quality without effect, an item larger
            than the service makes, or one that cannot be marked or signed as the service does.
    """
    delivery = delivery_of(loaded)
    asked = parse_form(_query_of(loaded.version.config.modality), query)
    names = [column.name for column in delivery.columns if column != CODEC]
    said = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    require_effect(delivery, codec, said.get(QUALITY.name), QUALITY.name)
    form = loaded.renderer.form
    wanted = delivery.format_of(form, {**said, CODEC.name: codec})
    values = delivery.delivered(form, wanted).values
    native = delivery.delivered(form, loaded.native).values
    most = max(_VALUES_A_PIXEL * settings.max_pixels, native)
    if values > most:
        raise BadRequestError(
            f"{', '.join(said)}: an item of {values:,} values is too large; at most {most:,}",
            param=next(iter(said), None),
            code="too_large",
        )
    loaded.origin.require_possible(form, wanted)
    return wanted, asked


def item_address(render: RenderRequest, at: int) -> str:
    """Path and query of item number `at`'s permanent address, of any modality."""
    loaded, wanted = render.job.model, render.job.format
    delivery = delivery_of(loaded)
    wish = quote(render.labels[at] or NOTHING, safe="")
    suffix = delivery.codecs[wanted.codec].suffix
    path = f"/v1/items/{loaded.version.ref}/{wish}/{render.seed}/{render.index + at}{suffix}"
    query = [f"{name}={value!r}" for name, value in render.sampling.items() if value is not None]
    for column in delivery.columns:
        value = getattr(wanted, column.name)
        if column != CODEC and value != getattr(loaded.native, column.name):
            query.append(f"{column.name}={value}")
    return path + ("?" + "&".join(query) if query else "")


@functools.cache
def _query_of(modality: str) -> type[KnobQuery]:
    fields: dict[str, Any] = {
        column.name: (Annotated[int, Field(ge=column.least, le=column.most)] | None, None)
        for column in MODALITIES[modality].delivery.columns
        if column != CODEC
    }
    model = create_model(f"{modality.capitalize()}Query", __base__=KnobQuery, **fields)
    return cast("type[KnobQuery]", model)
