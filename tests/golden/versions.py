"""The libraries that decide the bytes of encoded files, and which of them matter to a set."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import imagecodecs
import PIL
import pyarrow as pa
import torch

from tests.golden.cases import Case

LOSSY = {"jpeg", "webp"}
BYTES = ("content_digest", "data", "images", "bytes")
"""Fields of a record that hold digests of encoded files."""


def libraries() -> dict[str, str]:
    """By what they write."""
    return {
        "png": f"libdeflate {_codec('libdeflate')}",
        "jpeg": f"libjpeg_turbo {_codec('libjpeg_turbo')}",
        "webp": f"libwebp {_codec('libwebp')}",
        "parquet": f"pyarrow {pa.__version__}",
        "resampling": f"Pillow {PIL.__version__}",
    }


def _codec(name: str) -> str:
    found = re.search(rf"\b{name}-([^,\s]+)", imagecodecs.version())
    return found[1] if found else "unknown"


def not_compared(case: Case, recorded: dict[str, str]) -> dict[str, str]:
    """Fields of a record that follow from a library of another version here, and why."""
    here = libraries()
    changed = {name for name in here if recorded.get(name) != here[name]}
    encoders = changed & case.codecs
    containers = changed & ({"parquet"} if case.writer != "webdataset" else set())
    pixels = encoders & LOSSY
    if "resampling" in changed and (case.is_resampled or case.codecs & LOSSY):
        pixels = pixels | {"resampling"}
    fields = dict.fromkeys(BYTES, encoders | pixels)
    fields |= {"data": encoders | pixels | containers, "pixels": pixels}
    return {
        name: ", ".join(f"{here[one]} here, {recorded.get(one)} recorded" for one in sorted(causes))
        for name, causes in fields.items()
        if causes
    }


def kind_of_machine() -> str:
    """Machines of one kind round alike: vendor, vector width and PyTorch."""
    vendor = "unknown vendor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"vendor_id\s*:\s*(\S+)", info.read_text(encoding="utf-8"))
        vendor = found[1] if found else vendor
    width = torch.backends.cpu.get_cpu_capability()
    bf16 = "bf16" if torch.cpu._is_avx512_bf16_supported() else "no bf16"
    version = torch.__version__.partition("+")[0]
    return f"{platform.machine()} {vendor} {width} {bf16}, torch {version}"
