"""Imported models that are a class of an installed Python package: `package.module:Class`.

The class must be on the list of the machine that loads the model, so that a model folder cannot
make a process import code that its operator did not choose.
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
from aigc.installed import NAME

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig

PROTOCOLS: dict[str, type] = {"decodes": Decodes, "encodes": Encodes, "scores": Scores}


class PackageModel(ModelSpec):
    """The class that generates the items. Written by `aigc models import`."""

    family: Literal["package"] = "package"
    """Selects this family."""
    imported: Origin
    """Name, licence, source and SHA-256 of the imported package."""
    generator: str = Field(pattern=NAME)
    """`package.module:Class`, as on the machine's list of generators."""
    conditional: bool = False
    """Whether the generator takes a label."""
    latent_dim: int | None = None
    """Number of latent dimensions; null without a latent space."""
    able: tuple[Literal["decodes", "encodes", "scores"], ...] = ()
    """Protocols that the generator has in addition to the call, as found at the import."""
    truncates: bool = True
    """Whether the sampling setting `truncation` changes the items, as found at the import."""


def takes(config: ModelConfig) -> tuple[str, ...]:
    assert isinstance(config.architecture, PackageModel)
    return ("label",) if config.architecture.conditional else ()


def able(config: ModelConfig) -> tuple[type, ...]:
    assert isinstance(config.architecture, PackageModel)
    return tuple(PROTOCOLS[name] for name in config.architecture.able)


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Generator:
    from aigc.families.installed import load_generator  # noqa: PLC0415

    return load_generator(config, inference)


def settings(config: ModelConfig) -> tuple[str, ...]:
    assert isinstance(config.architecture, PackageModel)
    return tuple(LatentSampling.model_fields) if config.architecture.truncates else ()


PACKAGE = Family(
    spec=PackageModel,
    title="Generator of an installed package",
    takes=takes,
    load=load,
    sampling=LatentSampling,
    settings=settings,
    able=able,
)
