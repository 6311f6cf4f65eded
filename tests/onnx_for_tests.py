"""Networks that aigc does not define, exported as their authors would: by torch.onnx."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

CLASSES = ("cat", "dog", "owl")
DIM, SIDE = 24, 16


class Pictures(nn.Module):
    """A class-conditional generator in the manner of DCGAN, with values in -1..1."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(CLASSES), 8)
        self.root = nn.Linear(DIM + 8, 32 * 4 * 4)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, channels, 4, 2, 1),
        )
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)

    def features(self, z: Tensor, label: Tensor) -> Tensor:
        return self.root(torch.cat([z, self.embed(label)], 1)).reshape(-1, 32, 4, 4)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return torch.tanh(self.layers(self.features(z, label)))


class Leaking(Pictures):
    """Takes off the mean over the batch, as BatchNorm in training mode does."""

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        features = self.features(z, label)
        return torch.tanh(self.layers(features - features.mean(0, keepdim=True)))


class Plain(nn.Module):
    """Without classes; grey, rows × columns, values in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, SIDE * SIDE)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(1))

    def forward(self, noise: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(noise)).reshape(-1, SIDE, SIDE)


@functools.cache
def exported(network: type[nn.Module], *, free: bool = True, training: bool = False) -> bytes:
    """The network as one ONNX file, with a batch axis or for two rows only."""
    module = network().train(training)
    inputs: tuple[Tensor, ...] = (torch.zeros(2, DIM), torch.tensor([0, 1]))
    names = ["z", "label"]
    if network is Plain:
        inputs, names = inputs[:1], ["noise"]
    mode = torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.EVAL
    axes = {name: {0: "rows"} for name in [*names, "image"]} if free else None
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            inputs,
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            training=mode,
            do_constant_folding=not training,
            input_names=names,
            output_names=["image"],
            dynamic_axes=axes,
        )
    return buffer.getvalue()


def with_external_data(folder: Path) -> Path:
    """The file of `exported(Pictures)` with its weights in a second file."""
    model = onnx.load_model_from_string(exported(Pictures))
    path = folder / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=16)
    return path


def graph(*nodes: Any, shape: tuple[int | str, ...] = ("n", 4), **more: Any) -> bytes:
    """A graph from the input `z` (float32, `shape`) through `nodes` to the output `image`."""
    made = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", None])],
        **more,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString())


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, outputs, **attributes)


def sizes(found: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {each["name"]: each["shape"] for each in found["inputs"]}
