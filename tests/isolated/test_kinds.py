"""Files that are no ONNX are named for what they are, from their content."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from aigc.isolated.kinds import refusal
from tests.onnx_for_tests import Plain, exported


def saved(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore")
def script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def pt2() -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), buffer)
    return buffer.getvalue()


TENSORS = {"weight": torch.zeros(3)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps([1]), "pickles, which run code when they are opened"),
        (pickle.dumps([1], protocol=2), "pickles"),
        (saved(TENSORS), "torch.save (.pt, .pth, .ckpt), which holds Python pickles"),
        (saved(TENSORS, _use_new_zipfile_serialization=False), "pickles"),
        (safetensors.torch.save(TENSORS), "weights without the network"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (archive(readme=b"x"), "zip archive"),
        (archive(**{"model.weights.h5": b"x"}), "Keras archive"),
        (saved(TENSORS)[:200], "damaged or truncated"),
        (b"", "empty"),
    ],
)
def test_a_file_is_known_by_its_content(data: bytes, says: str) -> None:
    found = refusal(data, "model.onnx")
    assert found is not None
    assert says in found
    assert "\n" not in found


@pytest.mark.filterwarnings("ignore")
def test_torchscript_and_pt2_are_told_apart() -> None:
    assert "TorchScript, which holds code" in str(refusal(script(), "m"))
    assert ".pt2 file of torch.export" in str(refusal(pt2(), "m"))


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".ckpt", ".h5", ".pt2", ".safetensors", ".pb"])
def test_what_cannot_be_recognised_is_known_by_its_name(suffix: str) -> None:
    assert f"is named {suffix}" in str(refusal(b"something else", f"model{suffix}"))


def test_an_onnx_file_passes_whatever_its_name(tmp_path: Path) -> None:
    assert refusal(exported(Plain), "model.onnx") is None
    assert refusal(exported(Plain), "model.bin") is None
