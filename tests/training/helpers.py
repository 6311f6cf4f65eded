"""A tiny run, seconds on one core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aigc.specs import TrainSpec, build


def tiny_spec(data: str, out: Path | str, **changes: Any) -> TrainSpec:
    values = {
        "name": "tiny",
        "data": data,
        "out": str(out),
        "steps": 12,
        "batch_size": 16,
        "model": {"family": "gan", "latent_dim": 8, "width": 8, "penalty_every": 2},
        "log_every": 4,
        "sample_every": 6,
        "lr_final": 1e-5,
        "precision": "fp32",
        "publish": False,
        "watch": {"enabled": False},
    }
    return build(TrainSpec, values | changes)
