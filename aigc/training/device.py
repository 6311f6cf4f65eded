"""Which device and number format training uses."""

from __future__ import annotations

from pathlib import Path

import torch

from aigc.modalities.learning import default_device
from aigc.specs import TrainSpec

_FAST_BF16_FLAGS = {"amx_bf16", "bf16"}
"""Of CPUs (x86, ARM) that multiply bfloat16 faster than float32, whoever makes them."""
_AMD, _AMD_FLAG = "AuthenticAMD", "avx512_bf16"
"""AMD's units do it twice as fast; Intel's only with AMX, which virtual machines may hide."""


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
    """Whether the hardware trains faster in bfloat16 than in float32: docs/recipes.md."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    info = Path("/proc/cpuinfo")
    return info.exists() and cpu_has_fast_bf16(info.read_text(encoding="utf-8", errors="replace"))


def cpu_has_fast_bf16(info: str) -> bool:
    """As `has_fast_bf16`, of the CPU that `/proc/cpuinfo` describes."""
    fields: dict[str, list[str]] = {}
    for line in info.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.split())
    flags = {*fields.get("flags", ()), *fields.get("features", ())}
    by_amd = fields.get("vendor_id") == [_AMD] and _AMD_FLAG in flags
    return by_amd or bool(_FAST_BF16_FLAGS & flags)
