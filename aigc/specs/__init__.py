"""What users write: one frozen, strict model a verb. YAML in, one clear line out when wrong."""

from __future__ import annotations

from aigc.modalities.prepare_spec import PrepareSpec
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
from aigc.specs.serve import Scaling, ServeSpec
from aigc.specs.train import EvaluateSpec, TrainSpec
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
