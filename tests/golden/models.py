"""The models of the golden sets, as folders of a store: what `aigc` published before it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.golden import networks
from tests.golden.networks import BF16, Size, Tensors
from tests.golden.weights import safetensors

LABELS = ("apple", "Birne 2", "ça/va", "d.")
CONFIG: dict[str, Any] = {
    "channels": 1,
    "data_digest": "f00d" * 16,
    "fit": "crop",
    "format": 1,
    "height": 16,
    "labels": list(LABELS),
    "modality": "image",
    "synonyms": {"pear": "Birne 2"},
    "untrained": [],
    "width": 16,
}
GAN: dict[str, Any] = {
    "augment": [],
    "augment_probability": 1.0,
    "blocks": 1,
    "conditional": True,
    "discriminator": "projection",
    "family": "gan",
    "gamma_final": None,
    "generator": "dcgan",
    "latent_dim": 8,
    "loss": "relativistic",
    "penalty": "exact",
    "penalty_every": 8,
    "penalty_sigma": 0.01,
    "r1_gamma": 0.3,
    "r2_gamma": 0.3,
    "spectral_norm": False,
    "width": 4,
}
VAE: dict[str, Any] = {
    "beta": 1.0,
    "conditional": True,
    "family": "vae",
    "free_bits": 0.0,
    "kl_warmup_images": 0,
    "latent_dim": 8,
    "likelihood": "gaussian",
    "prior": "standard",
    "variance": "best",
    "width": 4,
}


@dataclass(frozen=True)
class Model:
    """A model's config.json and tensors."""

    size: Size
    config: dict[str, Any]
    tensors: Callable[[Size], Tensors]

    @property
    def name(self) -> str:
        return self.size.name

    def write(self, store: Path) -> Path:
        """The folder of its version v1 in `store`."""
        folder = store / "models" / self.name / "v1"
        folder.mkdir(parents=True)
        settings, weights = _pretty(self.config), safetensors(self.tensors(self.size))
        files = {"config.json": settings, "model.safetensors": weights, "README.md": b"# Golden\n"}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        marker = {
            "format": 1,
            "name": self.name,
            "version": "v1",
            "digest": hashlib.sha256(settings + weights).hexdigest(),
            "created_at": 1_700_000_000.0,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            "health": "ok",
        }
        (folder / "version.json").write_bytes(_pretty(marker))
        return folder


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _model(size: Size, architecture: dict[str, Any], tensors: Callable[[Size], Tensors]) -> Model:
    height, width = (4 * side for side in size.base)
    named = {"latent_dim": size.latent_dim, "width": size.width, "conditional": size.classes > 0}
    labels = LABELS[: size.classes]
    config = CONFIG | {
        "architecture": architecture | named,
        "height": height,
        "width": width,
        "channels": size.channels,
        "labels": list(labels),
        "synonyms": {"pear": "Birne 2"} if labels else {},
        "untrained": ["d."] if "d." in labels else [],
    }
    return Model(size, config, tensors)


def _judged(size: Size) -> Tensors:
    return networks.decoder(size) | networks.projection_discriminator(size)


def _encoded(size: Size) -> Tensors:
    return networks.decoder(size) | networks.encoder(size)


def _mixed(size: Size) -> Tensors:
    return _encoded(size) | networks.prior(size)


def _ordinary(tensors: Callable[[Size], Tensors]) -> Callable[[Size], Tensors]:
    return lambda size: networks.ordinary(tensors(size), size.name)


RESIDUAL = GAN | {"generator": "residual", "discriminator": "residual"}
MIXTURE = VAE | {"prior": "mixture"}
_GREY = Size("gan", (4, 5), 20, 8, 4, 1)
_COLOUR = Size("residual", (5, 4), 8, 12, 3, 3)
_PLAIN = Size("plain", (4, 4), 4, 8, 0, 3)
_VAE = Size("vae", (4, 4), 4, 8, 4, 1)
_MIXTURE = Size("mixture", (4, 6), 4, 8, 4, 3)
EXACT = (
    _model(_GREY, GAN, _judged),
    _model(_COLOUR, RESIDUAL, networks.residual),
    _model(_PLAIN, GAN, networks.decoder),
    _model(_VAE, VAE, _encoded),
    _model(_MIXTURE, MIXTURE, _mixed),
)
HALF = (
    _model(replace(_GREY, name="gan-bf16", mantissa=BF16), GAN, _judged),
    _model(replace(_MIXTURE, name="mixture-bf16", mantissa=BF16), MIXTURE, _mixed),
)
"""Exact in bfloat16."""
ORDINARY = (
    _model(replace(_GREY, name="ordinary-gan", width=64), GAN, _ordinary(_judged)),
    _model(replace(_COLOUR, name="ordinary-residual"), RESIDUAL, _ordinary(networks.residual)),
    _model(replace(_MIXTURE, name="ordinary-mixture"), MIXTURE, _ordinary(_mixed)),
)
"""As trained ones are: wide enough for Winograd's form, and rounded at every sum."""
ALL = (*EXACT, *HALF, *ORDINARY)


def write_store(store: Path) -> Path:
    """A store that holds all of them."""
    for model in ALL:
        model.write(store)
    return store
