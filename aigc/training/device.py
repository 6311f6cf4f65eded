"""Which device and number format training uses."""

from __future__ import annotations

from pathlib import Path

import torch

from aigc.modalities.learning import default_device
from aigc.specs import TrainSpec

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def training_device() -> torch.device:
    """`default_device` as PyTorch takes it."""
    return torch.device(default_device())


def autocast(spec: TrainSpec, device: torch.device) -> torch.autocast:
    """The context in which forward passes run: bfloat16 if asked for, or `auto` and it is fast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=is_mixed(spec, device))


def is_mixed(spec: TrainSpec, device: torch.device) -> bool:
    """Whether forward passes run in bfloat16."""
    return spec.precision == "bf16" or (spec.precision == "auto" and has_fast_bf16(device))


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself; emulated it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return False
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lower().startswith(("flags", "features")):
            return bool(_BF16_FLAGS & set(line.split()))
    return False
