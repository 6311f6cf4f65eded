"""A batch axis for a graph that was exported with a fixed number of rows."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from onnx import GraphProto, ModelProto, numpy_helper

_AXIS = "aigc_batch"


def loosened(model: ModelProto, inputs: Collection[str]) -> ModelProto:
    """A copy in which the first axis of `inputs` is free. Whether the graph follows shows when it
    is run.

    Shapes that a Reshape fixes to the exported number of rows follow the rows as well. Shapes noted
    inside the graph are left out: they hold for the exported number only.
    """
    free = ModelProto()
    free.CopyFrom(model)
    rows = set()
    for value in free.graph.input:
        if value.name in inputs:
            axis = value.type.tensor_type.shape.dim[0]
            rows.add(axis.dim_value)
            axis.dim_param = _AXIS
    for value in free.graph.output:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].Clear()
    del free.graph.value_info[:]
    if len(rows) == 1:
        _free_reshapes(free.graph, rows.pop())
    return free


def _free_reshapes(graph: GraphProto, rows: int) -> None:
    """In a shape `[rows, …]` of a Reshape the 0 means: as many as the input has."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                known[node.output[0]] = attribute.t
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[1] not in known:
            continue
        shape = numpy_helper.to_array(known[node.input[1]])
        allow_zero = any(a.name == "allowzero" and a.i for a in node.attribute)
        if len(shape) < 2 or shape[0] != rows or allow_zero:
            continue
        freed = numpy_helper.from_array(np.array([0, *shape[1:]], np.int64), f"{_AXIS}_{number}")
        graph.initializer.append(freed)
        node.input[1] = freed.name
