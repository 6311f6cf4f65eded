"""How items are made: each family's spec, loader, sampling knobs and learner.

Importing this room imports no torch; a family loads it when a model is loaded.
"""

from __future__ import annotations

from aigc.families.gan import GAN
from aigc.families.onnx import ONNX
from aigc.families.package import PACKAGE
from aigc.families.protocol import (
    Decodes,
    Encodes,
    Family,
    Generator,
    InferenceConfig,
    Points,
    Scores,
)
from aigc.families.vae import VAE

__all__ = [
    "FAMILIES",
    "Decodes",
    "Encodes",
    "Family",
    "Generator",
    "InferenceConfig",
    "Points",
    "Scores",
]

FAMILIES: dict[str, Family] = {"gan": GAN, "vae": VAE, "onnx": ONNX, "package": PACKAGE}
"""The first is what a spec means that names no family and no field of another."""
