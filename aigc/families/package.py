"""Generators of Python packages that the operator installed: `package.module:Class`.

A model folder can only name one that is on the list of the machine that loads it, so no folder
makes a process import what its operator did not choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc.families.latent import LatentSampling
from aigc.families.origin import Origin
from aigc.families.protocol import (
    Decodes,
    Encodes,
    Family,
    Generator,
    InferenceConfig,
    ModelSpec,
    Scores,
    Tensors,
)

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig

PROTOCOLS: dict[str, type] = {"decodes": Decodes, "encodes": Encodes, "scores": Scores}
NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class PackageModel(ModelSpec):
    """The class that makes the items. `aigc models import` writes it."""

    family: Literal["package"] = "package"
    imported: Origin
    generator: str = Field(pattern=NAME)
    """`package.module:Class`, as the operator's list has it."""
    conditional: bool = False
    """Whether it takes one of the labels."""
    latent_dim: int | None = None
    """Numbers of a latent vector, where it has a latent space."""
    able: tuple[Literal["decodes", "encodes", "scores"], ...] = ()
    """What it can do besides making items, as found at the import."""


def takes(config: ModelConfig) -> tuple[str, ...]:
    assert isinstance(config.architecture, PackageModel)
    return ("label",) if config.architecture.conditional else ()


def able(config: ModelConfig) -> tuple[type, ...]:
    assert isinstance(config.architecture, PackageModel)
    return tuple(PROTOCOLS[name] for name in config.architecture.able)


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Generator:
    from aigc.families.installed import load_generator  # noqa: PLC0415

    return load_generator(config, inference)


PACKAGE = Family(
    spec=PackageModel,
    title="Generator of an installed package",
    takes=takes,
    load=load,
    sampling=LatentSampling,
    able=able,
)
