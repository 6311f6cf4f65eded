"""Specs, the settings of each command: frozen, strict models, read from YAML and options."""

from __future__ import annotations

from aigc.specs.base import Codec, Fit, Fraction, ModelName, Placement, Seed, Spec
from aigc.specs.evaluate import EvaluateSpec
from aigc.specs.files import build, dump, load, parse_setting, read, set_dotted
from aigc.specs.generate import (
    AppendSpec,
    BriefColumns,
    Budget,
    DegenerateGate,
    DuplicateGate,
    Gates,
    GenerateSpec,
    MemorisationGate,
    RealismGate,
)
from aigc.specs.prepare import PrepareSpec
from aigc.specs.serve import Scaling, ServeSpec
from aigc.specs.train import (
    AdversarialTerms,
    Adversary,
    GanModel,
    Models,
    TrainSpec,
    VaeModel,
    named_family,
)
from aigc.specs.watch import Remedy, TrainingWatch

SPECS: dict[str, type[Spec]] = {
    "prepare": PrepareSpec,
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "generate": GenerateSpec,
    "serve": ServeSpec,
}

__all__ = [
    "SPECS",
    "AdversarialTerms",
    "Adversary",
    "AppendSpec",
    "BriefColumns",
    "Budget",
    "Codec",
    "DegenerateGate",
    "DuplicateGate",
    "EvaluateSpec",
    "Fit",
    "Fraction",
    "GanModel",
    "Gates",
    "GenerateSpec",
    "MemorisationGate",
    "ModelName",
    "Models",
    "Placement",
    "PrepareSpec",
    "RealismGate",
    "Remedy",
    "Scaling",
    "Seed",
    "ServeSpec",
    "Spec",
    "TrainSpec",
    "TrainingWatch",
    "VaeModel",
    "build",
    "dump",
    "load",
    "named_family",
    "parse_setting",
    "read",
    "set_dotted",
]
