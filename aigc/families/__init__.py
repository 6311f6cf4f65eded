"""Families: kinds of models, each with its spec, loader, sampling settings and learner.

Importing this package does not import torch; a family does when it loads a model.
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
"""By name. A spec without `family` and without fields of another family means the first one."""
