"""Which ONNX files are run: one file, known operators, no random numbers, no data elsewhere.

The limits follow what ONNX files can do to who opens them: point at other files (external data),
call code that the runtime loads (custom domains), loop for ever (Loop, Scan).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from aigc.errors import listed
from aigc.isolated.kinds import MAX_BYTES
from aigc.isolated.operators import ALLOWED, RANDOM

MAX_NODES = 50_000
_STANDARD = ("", "ai.onnx")


class RefusedError(Exception):
    """The file is not run; the text says why, in one line."""


def parse(data: bytes) -> ModelProto:
    """The model, its local functions replaced by what they stand for.

    Raises:
        RefusedError: it is damaged, or holds what is not run.
    """
    if len(data) > MAX_BYTES:
        raise RefusedError(f"has {len(data):,} bytes, at most {MAX_BYTES:,} are read")
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf raises what it likes
        raise RefusedError("is not an ONNX file, or it is damaged or truncated") from None
    if not model.graph.node or not model.graph.output:
        raise RefusedError("is not an ONNX file, or it is damaged or truncated: it has no graph")
    refuse_external(model)
    if model.functions:
        model = _inlined(model)
    _refuse_operators(model)
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise RefusedError(f"is not valid ONNX: {one_line(error)}") from None
    return model


def describe(model: ModelProto) -> dict[str, Any]:
    """Inputs, outputs, operators and opset, as plain values for a person and for JSON."""
    known = {tensor.name for tensor in model.graph.initializer}
    return {
        "inputs": [_form(each) for each in model.graph.input if each.name not in known],
        "outputs": [_form(each) for each in model.graph.output],
        "operators": dict(Counter(node.op_type for node in _nodes(model.graph)).most_common()),
        "opset": max((o.version for o in model.opset_import if o.domain in _STANDARD), default=0),
        "producer": _plain(f"{model.producer_name} {model.producer_version}"),
    }


def refuse_external(model: ModelProto) -> None:
    """Raises RefusedError when a tensor of any graph or function lies in another file."""
    nodes = [*_nodes(model.graph), *(n for f in model.functions for n in _inner(f.node))]
    for tensor in _tensors(model.graph, nodes):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise RefusedError(
                f"keeps the tensor {tensor.name!r} in another file (external data): "
                "export it as one file"
            )


def _inlined(model: ModelProto) -> ModelProto:
    import onnx.inliner  # noqa: PLC0415

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise RefusedError(f"has functions that cannot be resolved: {one_line(error)}") from None


def _refuse_operators(model: ModelProto) -> None:
    nodes = list(_nodes(model.graph))
    if len(nodes) > MAX_NODES:
        raise RefusedError(f"has {len(nodes):,} operators, at most {MAX_NODES:,} are run")
    foreign = sorted({f"{n.domain}::{n.op_type}" for n in nodes if n.domain not in _STANDARD})
    if foreign:
        raise RefusedError(
            f"uses operators outside the ONNX standard ({listed(foreign, 5)}): "
            "export it with standard operators only"
        )
    used = {node.op_type for node in nodes}
    if drawn := sorted(used & RANDOM):
        raise RefusedError(
            f"draws random numbers of its own ({listed(drawn, 5)}), so an item would not follow "
            "from its seed: export it with the noise as an input"
        )
    if unknown := sorted(used - ALLOWED):
        raise RefusedError(f"uses operators that are not run: {listed(unknown, 5)}")


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    return _inner(graph.node)


def _inner(nodes: Any) -> Iterator[NodeProto]:
    """All of `nodes` and of the graphs inside their attributes."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                waiting.extend(graph.node)


def _tensors(graph: GraphProto, nodes: list[NodeProto]) -> Iterator[TensorProto]:
    graphs = [graph]
    for node in nodes:
        for attribute in node.attribute:
            yield from [attribute.t, *attribute.tensors]
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g, *attribute.graphs]
    for each in graphs:
        yield from each.initializer
        for held in each.sparse_initializer:
            yield from (held.values, held.indices)


def _form(value: ValueInfoProto) -> dict[str, Any]:
    """Name, dtype and shape, a number for each fixed axis, a name or None for the others."""
    tensor = value.type.tensor_type
    kind = tensor.elem_type
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind)) if kind else "unknown"
    except KeyError:
        dtype = "unknown"
    axes = [
        axis.dim_value if axis.HasField("dim_value") else (axis.dim_param or None)
        for axis in tensor.shape.dim
    ]
    return {"name": value.name, "dtype": dtype, "shape": axes}


def _plain(text: str) -> str:
    """What a stranger wrote, fit to be shown: letters, digits and a few signs."""
    return re.sub(r"[^\w .+-]", "", text).strip()[:60]


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
