"""Operations in latent space: walks between items, variations and edits of a picture."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from aigc.conditions import CONDITIONS, Values, conditions_of
from aigc.conditions.blocked import BlockList
from aigc.families.protocol import Decodes, Encodes, Points
from aigc.job.identity import item_ids
from aigc.job.keys import SampleKeys, joined, keys_of
from aigc.modalities.base import RejectError
from aigc.modalities.image import reading, to_network
from aigc.modalities.image.delivery import Format
from aigc.modalities.picture_formats import REQUESTED
from aigc.service.bodies import Edit, Variation, Walk, WalkEnd
from aigc.service.errors import BadRequestError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import RenderJob, RenderSource
from aigc.service.render_requests import RenderRequest, requested_format, require_count
from aigc.service.request_conditions import (
    condition_of,
    conditions_in,
    knobs_of,
    names_of,
    prompted_value,
    require_allowed,
)
from aigc.service.settings import ServiceSettings
from aigc.types import UInt8Images


@dataclass(frozen=True, kw_only=True)
class WalkRequest(RenderRequest):
    start: WalkEnd
    end: WalkEnd

    def identity(self, at: int) -> tuple[int, int] | None:
        """Frames between the ends are no items."""
        end = {0: self.start, self.job.count - 1: self.end}.get(at)
        return None if end is None else (end.seed, end.index)


def walk(loaded: LoadedModel, asked: Walk, settings: ServiceSettings) -> WalkRequest:
    """The frames from one item to another; the first and the last are those items' pictures.

    Raises:
        BadRequestError: a label the model has not, or too many steps.
    """
    _require(loaded, Decodes, "has no latent space to walk in; walks need a model that can: walk")
    ends = (asked.start, asked.end)
    found = [
        conditions_in(loaded, end.label, f"{name}.label", settings.blocked)
        for end, name in zip(ends, ("from", "to"), strict=True)
    ]
    wanted = requested_format(loaded, asked, settings)
    require_count(asked.steps, wanted, settings, "steps", settings.max_steps)
    sampling = knobs_of(loaded, asked)
    keys = joined(
        [
            keys_of(end.seed, np.array([end.index]), conditions, sampling)
            for end, conditions in zip(ends, found, strict=True)
        ]
    )
    source = functools.partial(_walk, keys=keys, steps=asked.steps)
    halves = [round(step / (asked.steps - 1)) for step in range(asked.steps)]
    names = [names_of(loaded, found[half], 1)[0] for half in halves]
    job = _alone(loaded, source, asked.steps, wanted, "walk")
    first, last = item_ids(loaded.version.digest, keys)
    job = replace(job, ids=(first, *[None] * (asked.steps - 2), last))
    begin, end = ends
    return WalkRequest(job, names, begin.seed, begin.index, addressed=False, start=begin, end=end)


def variations(
    loaded: LoadedModel, asked: Variation, settings: ServiceSettings, seed: int
) -> RenderRequest:
    """Pictures near one that is still to be added, `near` it.

    Raises:
        BadRequestError: the model cannot encode, or has no such label.
    """
    _require(
        loaded,
        Encodes,
        "cannot read pictures; variations and edits need a model with an encoder, such as a VAE",
    )
    blocked = settings.blocked
    shown = {} if asked.label is None else conditions_in(loaded, asked.label, "label", blocked)
    prompt = asked.prompt if isinstance(asked, Edit) else None
    becomes = prompted_value(loaded, prompt, blocked)
    noise = keys_of(seed, np.arange(asked.index, asked.index + asked.n))
    source = functools.partial(
        _vary,
        shown=shown,
        becomes=becomes,
        noise=noise,
        strength=asked.strength,
        blocked=blocked,
    )
    wanted = requested_format(loaded, asked, settings)
    require_count(asked.n, wanted, settings)
    [name] = names_of(loaded, becomes or shown, 1)
    takes = loaded.version.config.takes
    kind = "vary" if shown or not takes else "guess and vary"
    job = _alone(loaded, source, asked.n, wanted, kind)
    return RenderRequest(job, [name] * asked.n, seed, asked.index, addressed=False)


def _require(loaded: LoadedModel, protocol: type, message: str) -> None:
    if not isinstance(loaded.generator, protocol):
        raise BadRequestError(
            f"model: {loaded.version.ref} {message}", param="model", code="not_supported"
        )


def near(render: RenderRequest, picture: UInt8Images) -> RenderRequest:
    """`render` of `variations` of `picture`, uint8 (H, W, C) in the model's shape."""
    source = functools.partial(cast("Callable[..., Points]", render.job.source), picture=picture)
    return replace(render, job=replace(render.job, source=source))


def _alone(
    loaded: LoadedModel, source: RenderSource, count: int, wanted: Format, kind: str
) -> RenderJob:
    return RenderJob(loaded, source, count, wanted, kind, loaded.extra(kind))


def read_picture(data: bytes, loaded: LoadedModel, settings: ServiceSettings) -> UInt8Images:
    """A sent file as uint8 (H, W, C) in the model's shape, made ready as the training data were;
    its header is believed before its data.

    Raises:
        BadRequestError: not a picture, damaged, or more pixels than the service reads.
    """
    config = loaded.version.config
    height, width, channels = config.item.shape
    shape = (height, width, channels)
    most = settings.max_input_pixels
    try:
        picture = reading.read(
            data,
            shape,
            config.fit,
            background=config.background,
            max_pixels=most,
            formats=REQUESTED,
        )
        return np.array(picture)
    except reading.TooLargeError:
        raise BadRequestError(
            f"image: too large; at most {most:,} pixels", param="image", code="too_large"
        ) from None
    except RejectError as error:
        raise BadRequestError(
            f"image: not a readable PNG, JPEG or WebP ({error})",
            param="image",
            code="invalid_image",
        ) from None


def _walk(loaded: LoadedModel, *, keys: SampleKeys, steps: int) -> Points:
    """`keys` are the two ends."""
    generator, engine = loaded.generator, loaded.renderer.engine
    assert isinstance(generator, Decodes)
    with torch.inference_mode():
        ends = generator.between(engine.points(keys))
    (first, last), context = ends.vectors, ends.context
    shares = torch.linspace(0, 1, steps)
    vectors = torch.stack([_between(first, last, float(share)) for share in shares])
    if context is None:
        return Points(vectors)
    begin, end = context
    return Points(vectors, torch.stack([torch.lerp(begin, end, share) for share in shares]))


def _between(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Along the great circle (Shoemake 1985), where latents of a normal lie; exact at both ends."""
    if share in (0.0, 1.0):
        return b if share else a
    cosine = torch.dot(a, b) / (a.norm() * b.norm()).clamp_min(1e-12)
    angle = math.acos(max(-1.0, min(1.0, float(cosine))))
    if math.sin(angle) < 1e-4:
        return torch.lerp(a, b, share)
    return (math.sin((1 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)


@torch.inference_mode()
def _vary(
    loaded: LoadedModel,
    *,
    picture: UInt8Images,
    shown: Mapping[str, Values],
    becomes: Mapping[str, Values],
    noise: SampleKeys,
    strength: float,
    blocked: BlockList,
) -> Points:
    """Points `strength` away from that of the picture, in random directions, see `Encodes.near`."""
    generator = loaded.generator
    assert isinstance(generator, Encodes)
    tensor = to_network(picture[None])
    if not shown:
        shown = _likeliest(loaded, generator, tensor, blocked)
    given = conditions_of(shown, 1)
    encoded = generator.encode(tensor, given)
    if not becomes or becomes == shown:
        becomes = shown
        point = generator.locate(encoded, given)
    else:
        point = generator.turned(encoded, given, conditions_of(becomes, 1))
    repeated = {name: values.repeat(len(noise)) for name, values in becomes.items()}
    asked = conditions_of(repeated, len(noise))
    return generator.near(point, loaded.renderer.engine.noise(noise), asked, strength)


def _likeliest(
    loaded: LoadedModel, generator: Encodes, tensor: Tensor, blocked: BlockList
) -> dict[str, Values]:
    """The conditions under which the picture is reconstructed best, of those that the model makes
    when nothing is asked for; {} for a model that takes none."""
    config, name = loaded.version.config, condition_of(loaded)
    if name is None:
        return {}
    values = np.array(list(dict.fromkeys(CONDITIONS[name].schedule(None, loaded.facts).pattern)))
    require_allowed(name, values, config, blocked, "label")
    given = conditions_of({name: values}, len(values))
    encoded = generator.encode(tensor.expand(len(values), *tensor.shape[1:]), given)
    made = loaded.renderer.engine.outputs(generator.locate(encoded, given))
    apart = (made - tensor).square().mean(dim=tuple(range(1, made.ndim)))
    nearest = int(apart.argmin())
    return {name: values[nearest : nearest + 1]}
