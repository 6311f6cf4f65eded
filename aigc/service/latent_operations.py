"""Requests that start from points in latent space: walks between items, variations of a picture."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from aigc.data import decode
from aigc.generation.delivery import Format
from aigc.modalities.image import to_network
from aigc.modalities.picture_formats import REQUESTED
from aigc.service.bodies import Edit, Variation, Walk, WalkEnd
from aigc.service.errors import BadRequestError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import RenderJob, RenderSource
from aigc.service.render_requests import (
    RenderRequest,
    format_of,
    keys_of,
    label_in_prompt,
    label_index,
    require_count,
)
from aigc.service.renderer import Latents
from aigc.service.settings import ServiceSettings
from aigc.types import Labels, UInt8Images


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
    ends = (asked.start, asked.end)
    found = [
        label_index(loaded, end.label, f"{name}.label")
        for end, name in zip(ends, ("from", "to"), strict=True)
    ]
    wanted = format_of(loaded, asked.size, asked.output_format, asked.output_compression, settings)
    require_count(asked.steps, wanted, settings, "steps", settings.max_steps)
    source = functools.partial(
        _walk, seeds=[end.seed for end in ends], indices=[end.index for end in ends],
        labels=None if found[0] is None else [at for at in found if at is not None],
        truncation=asked.truncation, steps=asked.steps,
    )  # fmt: skip
    halves = [round(step / (asked.steps - 1)) for step in range(asked.steps)]
    names = [None if found[half] is None else loaded.labels[found[half] or 0] for half in halves]
    job = _alone(loaded, source, asked.steps, wanted, "walk")
    begin, end = ends
    return WalkRequest(job, names, begin.seed, begin.index, addressed=False, start=begin, end=end)


def variations(
    loaded: LoadedModel, asked: Variation, settings: ServiceSettings, seed: int
) -> RenderRequest:
    """Pictures near one that is still to be added, `near` it.

    Raises:
        BadRequestError: the model cannot encode, or has no such label.
    """
    if loaded.encoder is None:
        raise BadRequestError(
            f"model: {loaded.version.ref} is a GAN and cannot read pictures; "
            "variations and edits need a VAE",
            param="model",
            code="not_supported",
        )
    shown = None if asked.label is None else label_index(loaded, asked.label, "label")
    prompt = asked.prompt if isinstance(asked, Edit) else None
    becomes = label_in_prompt(loaded, prompt)
    source = functools.partial(
        _vary, shown=shown, becomes=becomes, seed=seed,
        index=asked.index, count=asked.n, strength=asked.strength,
    )  # fmt: skip
    wanted = format_of(loaded, asked.size, asked.output_format, asked.output_compression, settings)
    require_count(asked.n, wanted, settings)
    known = becomes if becomes is not None else shown
    name = None if known is None else loaded.labels[known]
    kind = "vary" if shown is not None or not loaded.labels else "guess and vary"
    job = _alone(loaded, source, asked.n, wanted, kind)
    return RenderRequest(job, [name] * asked.n, seed, asked.index, addressed=False)


def near(order: RenderRequest, picture: UInt8Images) -> RenderRequest:
    """`order` of `variations` of `picture`, uint8 (H, W, C) in the model's shape."""
    source = functools.partial(cast("Callable[..., Latents]", order.job.source), picture=picture)
    return replace(order, job=replace(order.job, source=source))


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
    native: Format = loaded.native
    shape, fit = (native.height, native.width, loaded.renderer.channels), loaded.version.config.fit
    most = settings.max_input_pixels
    try:
        return np.array(decode.read(data, shape, fit, max_pixels=most, formats=REQUESTED))
    except decode.TooLargeError:
        raise BadRequestError(
            f"image: too large; at most {most:,} pixels", param="image", code="too_large"
        ) from None
    except decode.RejectError as error:
        raise BadRequestError(
            f"image: not a readable PNG, JPEG or WebP ({error})",
            param="image",
            code="invalid_image",
        ) from None


def _walk(
    loaded: LoadedModel, *, seeds: list[int], indices: list[int], labels: list[int] | None,
    truncation: float | None, steps: int,
) -> Latents:  # fmt: skip
    engine = loaded.renderer.engine
    classes = None if labels is None else np.array(labels)
    first, last = (
        engine.latents(keys_of(seed, np.array([index]), None, truncation))[0]
        for seed, index in zip(seeds, indices, strict=True)
    )
    (first, last), known = engine.points(torch.stack([first, last]), classes)
    shares = torch.linspace(0, 1, steps)
    z = torch.stack([_between(first, last, float(share)) for share in shares])
    if known is None:
        return Latents(z, None)
    return Latents(z, torch.stack([torch.lerp(known[0], known[1], share) for share in shares]))


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
    loaded: LoadedModel, *, picture: UInt8Images, shown: int | None, becomes: int | None, seed: int,
    index: int, count: int, strength: float,
) -> Latents:  # fmt: skip
    """Latents `strength` away from those of the picture, in random directions, see `Engine.near`.

    With a mixture as prior variations stay in the component that the picture belongs to.
    """
    encoder, engine = loaded.encoder, loaded.renderer.engine
    assert encoder is not None
    tensor = to_network(picture[None])
    if loaded.labels and shown is None:
        shown = _likeliest(loaded, encoder, tensor)
    encoded = _encode(encoder, tensor, _row(shown))
    if becomes is None or becomes == shown:
        becomes = shown
        mean, known = engine.locate(encoded, _row(shown))
    else:
        mean, known = engine.turned(encoded, _row(shown), _row(becomes))
    noise = engine.latents(keys_of(seed, np.arange(index, index + count), None, None))
    z = engine.near(mean, noise, _row(becomes), strength)
    return Latents(z, None if known is None else known.expand(count, -1))


def _row(label: int | None) -> Labels | None:
    return None if label is None else np.array([label])


def _likeliest(loaded: LoadedModel, encoder: nn.Module, tensor: Tensor) -> int:
    """The class under which the picture is reconstructed best."""
    engine, config = loaded.renderer.engine, loaded.version.config
    labels = np.array([loaded.labels.index(name) for name in config.usual])
    means = _encode(encoder, tensor.expand(len(labels), -1, -1, -1), labels)
    made = engine.outputs(*engine.locate(means, labels))
    nearest = (made - tensor).square().mean(dim=(1, 2, 3)).argmin()
    return int(labels[nearest])


def _encode(encoder: nn.Module, tensor: Tensor, label: Labels | None) -> Tensor:
    """Posterior means float32 (N, latent_dim) on the CPU."""
    device = next(encoder.parameters()).device
    known = None if label is None else torch.from_numpy(label).to(device)
    mean: Tensor = encoder(tensor.to(device), known)[0]
    return mean.float().cpu()
