"""Classifiers of images as users bring them: one ONNX file each, made of a few operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from aigc.specs import SafetyClassifier, SafetyGate

SIDE = 16


def written(
    path: Path,
    *,
    layout: str = "NCHW",
    shape: list[Any] | None = None,
    classes: int = 1,
    dtype: int = TensorProto.FLOAT,
    logits: bool = False,
) -> Path:
    """The mean of an image's values is the score: class 1 of two, the only one of one. With
    `logits` the values lie beyond 0..1."""
    shape = shape or (["n", 3, SIDE, SIDE] if layout == "NCHW" else ["n", SIDE, SIDE, 3])
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
    ]
    last = "column"
    tensors = [numpy_helper.from_array(np.array([1], np.int64), "axis")]
    if logits:
        nodes.append(helper.make_node("Mul", [last, "scale"], ["scaled"]))
        tensors.append(numpy_helper.from_array(np.array([30], np.float32), "scale"))
        last = "scaled"
    if classes == 2:
        nodes += [
            helper.make_node("Sub", ["one", last], ["rest"]),
            helper.make_node("Concat", ["rest", last], ["both"], axis=1),
        ]
        tensors.append(numpy_helper.from_array(np.array([1], np.float32), "one"))
        last = "both"
    nodes.append(helper.make_node("Identity", [last], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        tensors,
    )
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    )
    return path


def bright(folder: Path, threshold: float = 0.5, **gate: Any) -> SafetyGate:
    """A gate that holds bright images to be unsafe."""
    path = folder / "bright.onnx"
    if not path.exists():
        written(path)
    classifier = SafetyClassifier(path=str(path), range="0..1")
    return SafetyGate(threshold=threshold, classifier=classifier, **gate)
