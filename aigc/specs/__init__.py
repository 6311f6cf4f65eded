"""Specs, the settings of each command: frozen, strict models, read from YAML and options."""

from __future__ import annotations

from aigc.modalities.prepare_spec import PrepareSpec
from aigc.specs.blocked import Blocked
from aigc.specs.evaluate import EvaluateSpec
from aigc.specs.files import build, dump, load, parse_setting, read, set_dotted
from aigc.specs.gates import (
    DegenerateGate,
    DuplicateGate,
    Gates,
    MemorisationGate,
    RealismGate,
    SafetyClassifier,
    SafetyGate,
)
from aigc.specs.generate import AppendSpec, BriefColumns, Budget, GenerateSpec
from aigc.specs.serve import Scaling, ServeSpec
from aigc.specs.train import TrainSpec
from aigc.specs.watch import Remedy, TrainingWatch
from aigc.strict import Codec, Fit, Fraction, ModelName, Placement, Seed, Spec

SPECS: dict[str, type[Spec]] = {
    "prepare": PrepareSpec,
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "generate": GenerateSpec,
    "serve": ServeSpec,
}

__all__ = [
    "SPECS",
    "AppendSpec",
    "Blocked",
    "BriefColumns",
    "Budget",
    "Codec",
    "DegenerateGate",
    "DuplicateGate",
    "EvaluateSpec",
    "Fit",
    "Fraction",
    "Gates",
    "GenerateSpec",
    "MemorisationGate",
    "ModelName",
    "Placement",
    "PrepareSpec",
    "RealismGate",
    "Remedy",
    "SafetyClassifier",
    "SafetyGate",
    "Scaling",
    "Seed",
    "ServeSpec",
    "Spec",
    "TrainSpec",
    "TrainingWatch",
    "build",
    "dump",
    "load",
    "parse_setting",
    "read",
    "set_dotted",
]
