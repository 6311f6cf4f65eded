"""Imports an ONNX file. Properties that are not given are deduced and verified by running it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from aigc.errors import JobError, SpecError, StoreError
from aigc.families.config import ModelConfig
from aigc.families.imported import (
    CHECKED_ROWS,
    ImportNotes,
    candidates,
    config_of,
    require_rows,
)
from aigc.families.independence import RoundingRowsError
from aigc.families.onnx import GRAPH, TEXT, OnnxModel
from aigc.families.onnx_generator import drawn_for, feeds_of, load_generator
from aigc.families.onnx_inputs import GraphInputs, InputRoles, deduced
from aigc.families.onnx_output import RANGES, SOUND_RANGES, Layout, chosen, layout_of, range_of
from aigc.families.origin import UNKNOWN, Origin
from aigc.families.protocol import InferenceConfig, Tensors
from aigc.isolated.frames import Array
from aigc.isolated.kinds import refusal
from aigc.isolated.process import GraphProcess, as_array
from aigc.modalities.base import ItemType


@dataclass(frozen=True)
class OnnxOptions:
    """Properties of an ONNX file that the user may give."""

    labels: tuple[str, ...] = ()
    roles: InputRoles = field(default_factory=InputRoles)
    embeddings: Array | None = None
    """(labels, …) of the text input."""
    output: str | None = None
    layout: str | None = None
    scale: str | None = None
    """One of `onnx_output.RANGES`, or of `SOUND_RANGES`."""
    rate_hz: int | None = None
    """Of sounds; None for images."""
    licence: str = UNKNOWN
    source: str = UNKNOWN


def import_onnx(
    data: bytes, name: str, options: OnnxOptions
) -> tuple[ModelConfig, Tensors, ImportNotes]:
    """The model folder's content for the file `name` with the content `data`.

    Raises:
        StoreError: the file is not run, or its rows depend on each other.
        SpecError: an option is missing or does not fit the graph.
    """
    try:
        return _imported(data, name, options)
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from None
    except JobError as error:  # at an import the file is at fault
        raise StoreError(str(error)) from None


def _imported(
    data: bytes, name: str, options: OnnxOptions
) -> tuple[ModelConfig, Tensors, ImportNotes]:
    if (reason := refusal(data, name)) is not None:
        raise StoreError(f"{name}: {reason}")
    graph = as_array(data)
    probe = _probe(graph, name, options)
    origin = Origin(
        name=name,
        licence=options.licence,
        source=options.source,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    sounds = options.rate_hz is not None
    layout = layout_of(probe.values.shape, options.layout, sounds=sounds)
    black, white = range_of(probe.values, options.scale, sounds=sounds)
    model = OnnxModel(
        imported=origin,
        inputs=probe.inputs,
        output=probe.output,
        layout=layout,
        black=black,
        white=white,
        freed=probe.freed,
    )
    item = _item(layout, probe.values.shape, options.rate_hz)
    config = config_of(item, model, options.labels)
    tensors = {GRAPH: torch.from_numpy(graph.copy())}
    if probe.embeddings is not None:
        tensors[TEXT] = probe.embeddings
    config, notes = _proved(config, tensors, name)
    ranges = {value: key for key, value in (RANGES | SOUND_RANGES).items()}
    facts = notes.facts | {
        "inputs": _shown(probe.inputs),
        "output": f"{probe.output}: {layout}, {ranges[black, white]}",
        "operators": ", ".join(sorted(probe.found["operators"])),
        "made with": f"{probe.found['producer'] or 'unknown'}, opset {probe.found['opset']}",
    }
    return config, tensors, ImportNotes(notes.sample, facts, notes.remarks)


def _item(layout: Layout, shape: tuple[int, ...], rate_hz: int | None) -> ItemType:
    axes = dict(zip(layout, shape, strict=True))
    channels = axes.get("C", 1)
    if rate_hz is None:
        return ItemType((axes["H"], axes["W"], channels), "uint8")
    return ItemType((axes["T"], channels), "int16", rate_hz)


@dataclass(frozen=True)
class _Probe:
    """A first run of the graph."""

    found: Mapping[str, Any]
    inputs: GraphInputs
    output: str
    freed: tuple[str, ...]
    values: Array
    embeddings: torch.Tensor | None = field(default=None)


def _probe(graph: Array, name: str, options: OnnxOptions) -> _Probe:
    process = GraphProcess(graph, name)
    found = process.describe()
    inputs = deduced(found["inputs"], options.roles, options.labels)
    output = chosen(found["outputs"], options.output)
    embeddings = _embeddings(inputs, options)
    _require_used(inputs, options)
    axes = {each["name"]: each["shape"][0] for each in found["inputs"] if each["shape"]}
    fixed = {each: axes[each] for each in inputs.batched if isinstance(axes[each], int)}
    run = _runner(process, inputs, output, embeddings, len(options.labels))
    if fixed:
        expected = run(max(fixed.values()))
        process.close()
        process = GraphProcess(graph, name, list(fixed))
        run = _runner(process, inputs, output, embeddings, len(options.labels))
        _require_follows(run, expected, fixed)
    values = run(CHECKED_ROWS)
    process.close()
    if values.shape[:1] != (CHECKED_ROWS,):
        raise SpecError(
            f"the output {output} has the shape {' × '.join(map(str, values.shape))} for "
            f"{CHECKED_ROWS} rows; expected {CHECKED_ROWS} items"
        )
    return _Probe(found, inputs, output, tuple(fixed), values, embeddings)


def _runner(
    process: GraphProcess,
    inputs: GraphInputs,
    output: str,
    embeddings: torch.Tensor | None,
    labels: int,
) -> Callable[[int], Array]:
    """Runs the graph for a number of items: raw outputs."""

    def run(rows: int) -> Array:
        noise, given = candidates(range(rows), labels)
        context = given.get("label")
        if embeddings is not None and context is not None:
            context = embeddings[context].flatten(1)
        elif inputs.label is not None and inputs.label.form == "one_hot" and context is not None:
            context = torch.nn.functional.one_hot(context, labels).float()
        drawn = [drawn_for(each, noise, given, at) for at, each in enumerate(inputs.noise)]
        return process.run(feeds_of(inputs, drawn, context), output)

    return run


def _require_follows(
    run: Callable[[int], Array], expected: Array, fixed: Mapping[str, int]
) -> None:
    rows = max(fixed.values())
    shown = ", ".join(f"{name} {count}" for name, count in fixed.items())
    try:
        same = run(rows)
        followed = all(len(run(count)) == count for count in (rows + 1, 1))
    except StoreError:
        followed = False
    if not followed:
        raise SpecError(
            f"the graph has a fixed number of rows ({shown}) and cannot be run with "
            "another one; export it with a dynamic batch axis (dynamic_axes or dynamic_shapes of "
            "torch.onnx.export)"
        )
    if not np.allclose(same, expected, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise SpecError(
            f"the graph has a fixed number of rows ({shown}) and returns other values if "
            "its batch axis is made dynamic; export it with a dynamic batch axis"
        )


def _embeddings(inputs: GraphInputs, options: OnnxOptions) -> torch.Tensor | None:
    if inputs.text is None:
        if options.embeddings is not None:
            raise SpecError("--embeddings: the graph has no input for a text embedding")
        return None
    shape = " × ".join(map(str, (len(options.labels) or "labels", *inputs.text.shape)))
    if options.embeddings is None or not options.labels:
        raise SpecError(
            f"input {inputs.text.name} takes a text embedding; give --labels and --embeddings "
            f"FILE.npy with one for each label ({shape})"
        )
    found = options.embeddings
    if found.shape != (len(options.labels), *inputs.text.shape) or found.dtype.kind != "f":
        raise SpecError(f"--embeddings: {found.dtype} of {found.shape}; expected floats, {shape}")
    return torch.from_numpy(found.astype(np.float32))


def _require_used(inputs: GraphInputs, options: OnnxOptions) -> None:
    if options.labels and inputs.label is None and inputs.text is None:
        raise SpecError(
            "--labels: no input takes a label; give --label with its name, or leave --labels out"
        )


def _proved(config: ModelConfig, tensors: Tensors, name: str) -> tuple[ModelConfig, ImportNotes]:
    """With full batches, or with single rows if items differ by rounding with their place."""
    try:
        return config, _notes(config, tensors, name)
    except RoundingRowsError:
        assert isinstance(config.architecture, OnnxModel)
        single = config.architecture.model_copy(update={"rows_at_once": 1})
        alone = config.model_copy(update={"architecture": single})
        notes = _notes(alone, tensors, name)
        remark = "items differ by rounding with their place in a batch, so each is generated alone"
        return alone, ImportNotes(notes.sample, notes.facts, (*notes.remarks, remark))


def _notes(config: ModelConfig, tensors: Tensors, name: str) -> ImportNotes:
    generator = load_generator(config, tensors, InferenceConfig())
    try:
        return require_rows(generator, config, name)
    finally:
        generator.process.close()


def _shown(inputs: GraphInputs) -> str:
    noise = [f"{each.name} (noise, {' × '.join(map(str, each.shape))})" for each in inputs.noise]
    label = [f"{inputs.label.name} (label, {inputs.label.form})"] if inputs.label else []
    text = [f"{inputs.text.name} (text embedding)"] if inputs.text else []
    fixed = [f"{each.name} = {each.value:g}" for each in inputs.fixed]
    return ", ".join([*noise, *label, *text, *fixed])
