"""Generators of Python packages that the operator installed: `package.module:Class`.

A model folder can only name one that is on the list of the machine that loads it, so no folder
makes a process import what its operator did not choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc.families.latent import LatentSampling
from aigc.families.origin import Origin
from aigc.families.protocol import Family, Generator, InferenceConfig, ModelSpec, Tensors

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig

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


def takes(config: ModelConfig) -> tuple[str, ...]:
    assert isinstance(config.architecture, PackageModel)
    return ("label",) if config.architecture.conditional else ()


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Generator:
    from aigc.families.installed import load_generator  # noqa: PLC0415

    return load_generator(config, inference)


PACKAGE = Family(
    spec=PackageModel,
    title="Generator of an installed package",
    takes=takes,
    load=load,
    sampling=LatentSampling,
)
