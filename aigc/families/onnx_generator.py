"""The generator of an imported ONNX graph: noise and labels to network tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from aigc.conditions.base import Conditions
from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.onnx import GRAPH, TEXT, OnnxModel
from aigc.families.onnx_inputs import GraphInputs, LabelInput, NoiseInput
from aigc.families.onnx_output import to_unit
from aigc.families.protocol import InferenceConfig, Points, Tensors
from aigc.isolated.frames import Array
from aigc.isolated.process import GraphProcess


class OnnxGenerator:
    """Runs the graph in a separate process (`aigc.isolated`), always on the CPU."""

    def __init__(self, config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> None:
        """Raises StoreError if the graph is missing, has another SHA-256, or cannot be run."""
        assert isinstance(config.architecture, OnnxModel)
        self.model, self.item, self.takes = config.architecture, config.item, config.takes
        self._labels, self._device = len(config.labels), inference.device
        graph = _graph(self.model, tensors)
        self._text = _text(self.model.inputs, tensors, self._labels)
        self.size_bytes = 2 * len(graph)  # kept here as well, for processes that start later
        self.process = GraphProcess(graph, self.model.imported.name, self.model.freed)
        self.process.describe()

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        drawn = [
            drawn_for(each, noise, given, at) for at, each in enumerate(self.model.inputs.noise)
        ]
        return self._run(drawn, self._context(given))

    def _context(self, given: Conditions) -> Tensor | None:
        """Values for the input of labels or texts: class indices int64 (N,), or floats (N, E)."""
        if not self.takes:
            return None
        label = given["label"].cpu()
        if self._text is not None:
            return self._text[label].flatten(1)
        if self.model.inputs.label is not None and self.model.inputs.label.form == "one_hot":
            return torch.nn.functional.one_hot(label, self._labels).float()
        return label

    def _run(self, drawn: list[Tensor], context: Tensor | None) -> Tensor:
        feeds = feeds_of(self.model.inputs, drawn, context)
        rows, most = len(drawn[0]), self.model.rows_at_once
        batched = self.model.inputs.batched
        parts = []
        for start in range(0, rows, most):
            kept = min(most, rows - start)
            part = {
                name: filled(feed, start, min(most, rows)) if name in batched else feed
                for name, feed in feeds.items()
            }
            parts.append(self._items(part)[:kept])
        return torch.from_numpy(np.concatenate(parts)).to(self._device)

    def _items(self, feeds: Mapping[str, Array]) -> Array:
        """float32 (N, C, H, W), one row per row of `feeds`. Raises StoreError."""
        model = self.model
        output = self.process.run(feeds, model.output)
        rows = len(feeds[model.inputs.noise[0].name])
        try:
            items = to_unit(output, model.layout, (model.black, model.white))
        except (IndexError, ValueError):
            items = output
        expected = (rows, *network_shape(self.item.shape))
        if items.shape != expected:
            raise StoreError(
                f"{model.imported.name}: the output {model.output} has the shape {output.shape} "
                f"for {rows} rows; expected {expected}, as at the import"
            )
        return items


class OnnxDecoder(OnnxGenerator):
    """With a latent space, see `families.protocol.Decodes`."""

    @property
    def latent_dim(self) -> int:
        return self.model.inputs.noise[0].size

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        return self.decode(self.latents(noise, given))

    def latents(self, noise: Noise, given: Conditions) -> Points:
        drawn = drawn_for(self.model.inputs.noise[0], noise, given)
        return Points(drawn.flatten(1), self._context(given))

    def decode(self, points: Points) -> Tensor:
        drawn = points.vectors.cpu().reshape(-1, *self.model.inputs.noise[0].shape)
        return self._run([drawn], None if points.context is None else points.context.cpu())

    def between(self, points: Points) -> Points:
        return points.to("cpu")


def load_generator(
    config: ModelConfig, tensors: Tensors, inference: InferenceConfig
) -> OnnxGenerator:
    """Raises StoreError."""
    assert isinstance(config.architecture, OnnxModel)
    latent = config.architecture.latent_dim is not None
    return (OnnxDecoder if latent else OnnxGenerator)(config, tensors, inference)


def drawn_for(wanted: NoiseInput, noise: Noise, given: Conditions, stream: int = 0) -> Tensor:
    """float32 (N, *shape) on the CPU, truncated at ± the sampling setting `truncation`."""
    cut = given.get("truncation")
    if wanted.distribution == "normal":
        return noise.normal(wanted.shape, stream, cut=cut).cpu()
    uniform = 2 * noise.uniform(wanted.shape, stream).cpu() - 1
    if cut is not None:
        most = torch.nan_to_num(cut.cpu(), nan=1.0).clamp(max=1.0)
        uniform *= most.view(-1, *[1] * len(wanted.shape))
    return uniform.float()


def feeds_of(inputs: GraphInputs, drawn: list[Tensor], context: Tensor | None) -> dict[str, Array]:
    """Arrays of all inputs by name; inputs with one row per item have N rows."""
    feeds = {
        each.name: values.numpy().astype(each.dtype)
        for each, values in zip(inputs.noise, drawn, strict=True)
    }
    if inputs.label is not None and context is not None:
        feeds[inputs.label.name] = _label(inputs.label, context)
    if inputs.text is not None and context is not None:
        shape = (len(context), *inputs.text.shape)
        feeds[inputs.text.name] = context.reshape(shape).numpy().astype(inputs.text.dtype)
    for fixed in inputs.fixed:
        feeds[fixed.name] = np.full(fixed.shape, fixed.value, fixed.dtype)
    return feeds


def _label(wanted: LabelInput, context: Tensor) -> Array:
    values = context[:, None] if wanted.form == "column" else context
    return values.numpy().astype(wanted.dtype)


def filled(feed: Array, start: int, size: int) -> Array:
    """`size` rows from `start`; the last row is repeated if there are fewer."""
    part = feed[start : start + size]
    missing = size - len(part)
    return np.concatenate([part, np.repeat(part[-1:], missing, 0)]) if missing else part


def network_shape(item: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the network tensor of one item: channels first."""
    return (item[-1], *item[:-1])


def _graph(model: OnnxModel, tensors: Tensors) -> Array:
    if GRAPH not in tensors:
        raise StoreError(f"the model folder has no {GRAPH}")
    graph: Array = tensors[GRAPH].numpy()
    if hashlib.sha256(graph.data).hexdigest() != model.imported.sha256:
        raise StoreError(f"{GRAPH} is not the file that was imported: its sha256 differs")
    return graph


def _text(inputs: GraphInputs, tensors: Tensors, labels: int) -> Tensor | None:
    if inputs.text is None:
        return None
    expected = (labels, *inputs.text.shape)
    if TEXT not in tensors or tensors[TEXT].shape != expected:
        raise StoreError(f"the model folder has no text embeddings of the shape {expected}")
    return tensors[TEXT]
