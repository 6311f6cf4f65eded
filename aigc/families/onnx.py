"""Models that were made elsewhere and exported as one ONNX file."""

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
"""The file in the model folder, and its bytes among the tensors, uint8 (N,)."""
TEXT = "text"
"""Among the tensors: the embedding of each label, float32 (labels, …)."""


class OnnxModel(ModelSpec):
    """How an ONNX graph is fed, and what its output means. `aigc models import` writes it."""

    family: Literal["onnx"] = "onnx"
    imported: Origin
    inputs: GraphInputs
    output: str
    layout: Layout
    black: float
    """The output's value that network tensors have as -1."""
    white: float
    """The output's value that network tensors have as 1."""
    freed: tuple[str, ...] = ()
    """Inputs that were exported for a fixed number of rows, and are run with any."""
    rows_at_once: int = Field(16, ge=1, le=4096)
    """Rows of one run of the graph. 1 where items would differ by rounding with their place."""

    @property
    def latent_dim(self) -> int | None:
        """Numbers of a latent vector, where the graph has one noise input and what else it takes
        can be interpolated."""
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
