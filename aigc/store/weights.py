"""The files that hold a model's tensors: `model.safetensors`, and an imported graph as it came.

PyTorch is imported when tensors are: commands that only look models up do without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping

import numpy as np
from safetensors import SafetensorError

from aigc.errors import StoreError
from aigc.families.onnx import GRAPH
from aigc.families.protocol import Tensors

WEIGHTS = "model.safetensors"
FILES = (GRAPH, WEIGHTS)
"""In the order in which the digest takes them, after config.json. A model has those it needs: a
trained one the second, an imported graph the first, a generator of an installed package none."""


def to_files(tensors: Tensors) -> dict[str, bytes]:
    """The files by name."""
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    graph = plain.pop(GRAPH, None)
    files = {} if graph is None else {GRAPH: graph.numpy().tobytes()}
    if plain:
        import safetensors.torch  # noqa: PLC0415

        files[WEIGHTS] = safetensors.torch.save(plain)
    return files


def from_files(files: Mapping[str, bytes], uri: str) -> Tensors:
    """The tensors by name, on the CPU. Raises StoreError when a file is not safetensors."""
    import safetensors.torch  # noqa: PLC0415
    import torch  # noqa: PLC0415

    tensors = {}
    if GRAPH in files:
        tensors[GRAPH] = torch.from_numpy(np.frombuffer(bytearray(files[GRAPH]), np.uint8))
    if WEIGHTS in files:
        try:
            tensors |= safetensors.torch.load(files[WEIGHTS])
        except (SafetensorError, ValueError) as error:
            raise StoreError(f"{uri}/{WEIGHTS}: not safetensors: {error}") from None
    return tensors


def read(named: Collection[str], read_file: Callable[[str], bytes]) -> dict[str, bytes]:
    """Those of a version whose immutable files are `named`."""
    return {file: read_file(file) for file in FILES if file in named}


def digest(settings: bytes, files: Mapping[str, bytes]) -> str:
    """sha256, in hexadecimal, of config.json followed by the files in the order of `FILES`."""
    total = hashlib.sha256(settings)
    for file in FILES:
        total.update(files.get(file, b""))
    return total.hexdigest()
