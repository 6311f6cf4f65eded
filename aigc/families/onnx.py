"""Imported models that consist of one ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc.families.latent import LatentSampling
from aigc.families.onnx_inputs import GraphInputs
from aigc.families.onnx_output import Layout
from aigc.families.origin import Origin
from aigc.families.protocol import Decodes, Family, InferenceConfig, ModelSpec, Tensors

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig
    from aigc.families.onnx_generator import OnnxGenerator

GRAPH = "model.onnx"
"""Name of the file in the model folder, and of the tensor uint8 (N,) with its bytes."""
TEXT = "text"
"""Name of the tensor float32 (labels, …) with the embedding of each label."""


class OnnxModel(ModelSpec):
    """Inputs and output of an imported ONNX graph. Written by `aigc models import`."""

    family: Literal["onnx"] = "onnx"
    """Selects this family."""
    imported: Origin
    """Name, licence, source and SHA-256 of the imported file."""
    inputs: GraphInputs
    """Inputs of the graph and their values."""
    output: str
    """Name of the output that holds the items."""
    layout: Layout
    """Order of the output's axes: rows N, channels C, height H, width W, samples T."""
    black: float
    """Value of the output that is mapped to -1: black, or the lowest sample."""
    white: float
    """Value of the output that is mapped to 1: white, or the highest sample."""
    freed: tuple[str, ...] = ()
    """Inputs that were exported for a fixed number of rows and are run with any number."""
    rows_at_once: int = Field(16, ge=1, le=4096)
    """Rows per run of the graph, 1..4096. 1 if items differ by rounding with their place."""

    @property
    def latent_dim(self) -> int | None:
        """Length of a latent vector, if the graph has one noise input and its other inputs can be
        interpolated; else None."""
        label = self.inputs.label
        steps = label is not None and label.form != "one_hot"
        if len(self.inputs.noise) != 1 or steps:
            return None
        return self.inputs.noise[0].size


def takes(config: ModelConfig) -> tuple[str, ...]:
    assert isinstance(config.architecture, OnnxModel)
    inputs = config.architecture.inputs
    return ("label",) if inputs.label is not None or inputs.text is not None else ()


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> OnnxGenerator:
    from aigc.families.onnx_generator import load_generator  # noqa: PLC0415

    return load_generator(config, tensors, inference)


ONNX = Family(
    spec=OnnxModel,
    title="Imported ONNX graph",
    takes=takes,
    load=load,
    sampling=LatentSampling,
    able=lambda config: () if config.latent_dim is None else (Decodes,),
)
