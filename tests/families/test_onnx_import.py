"""What an ONNX file becomes, and what is refused with nothing but a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from aigc.errors import AigcError, SpecError, StoreError
from aigc.families import Decodes, Encodes, InferenceConfig, Scores
from aigc.families.imported import candidates
from aigc.families.onnx import GRAPH, TEXT, OnnxModel
from aigc.families.onnx_generator import OnnxGenerator, load_generator
from aigc.families.onnx_import import OnnxOptions, import_onnx
from aigc.families.onnx_inputs import InputRoles
from tests.onnx_for_tests import (
    CLASSES,
    DIM,
    SIDE,
    Leaking,
    Pictures,
    Plain,
    exported,
    graph,
    node,
    with_external_data,
)

LABELLED = OnnxOptions(labels=CLASSES, licence="CC0-1.0", source="https://example.org/nets")


def model_of(data: bytes, options: OnnxOptions = LABELLED) -> tuple[OnnxModel, OnnxGenerator, Any]:
    config, tensors, notes = import_onnx(data, "net.onnx", options)
    assert isinstance(config.architecture, OnnxModel)
    return config.architecture, load_generator(config, tensors, InferenceConfig()), notes


def items(generator: OnnxGenerator, numbers: Sequence[int], labels: int = len(CLASSES)) -> Any:
    return generator(*candidates(numbers, labels)).numpy()


def refusal(data: bytes, options: OnnxOptions = LABELLED, name: str = "net.onnx") -> str:
    with pytest.raises((StoreError, SpecError)) as caught:
        import_onnx(data, name, options)
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "\n" not in text
    return text


def test_a_class_conditional_generator() -> None:
    data = exported(Pictures)
    config, tensors, notes = import_onnx(data, "net.onnx", LABELLED)
    assert (config.height, config.width, config.channels) == (SIDE, SIDE, 3)
    assert config.takes == ("label",)
    assert config.labels == CLASSES
    assert config.origin is not None
    assert (config.origin.licence, config.origin.source) == ("CC0-1.0", LABELLED.source)
    assert bytes(tensors[GRAPH].numpy()) == data
    model = config.architecture
    assert isinstance(model, OnnxModel)
    assert (model.layout, model.black, model.white) == ("NCHW", -1, 1)
    assert model.rows_at_once == 16
    assert notes.facts["output"] == "image: NCHW, -1..1"

    generator = load_generator(config, tensors, InferenceConfig())
    noise, given = candidates(range(40), len(CLASSES))
    with torch.inference_mode():
        expected = Pictures().eval()(noise.normal((DIM,)), given["label"])
    torch.testing.assert_close(generator(noise, given), expected, atol=1e-5, rtol=1e-4)
    assert not isinstance(generator, Decodes | Encodes | Scores)


def test_items_do_not_depend_on_how_many_are_asked_for() -> None:
    _, generator, _ = model_of(exported(Pictures))
    whole = items(generator, range(40))
    np.testing.assert_array_equal(items(generator, [39, 5, *range(14)])[:2], whole[[39, 5]])
    np.testing.assert_array_equal(items(generator, range(16)), whole[:16])


def test_a_generator_without_labels_has_a_latent_space() -> None:
    model, generator, _ = model_of(exported(Plain), OnnxOptions())
    assert (model.layout, model.black, model.white) == ("NHW", 0, 1)
    assert model.latent_dim == DIM
    assert isinstance(generator, Decodes)
    noise, given = candidates(range(5), 0)
    points = generator.latents(noise, given)
    assert points.vectors.shape == (5, DIM)
    torch.testing.assert_close(generator.decode(points), generator(noise, given), rtol=0, atol=0)
    assert generator.between(points).vectors.dtype == torch.float32


def test_a_graph_for_two_rows_gives_the_same_items() -> None:
    fixed, of_fixed, _ = model_of(exported(Pictures, free=False))
    assert fixed.freed == ("z", "label")
    _, of_free, _ = model_of(exported(Pictures))
    np.testing.assert_array_equal(items(of_fixed, range(20)), items(of_free, range(20)))


def test_a_fixed_number_of_rows_that_cannot_be_freed_is_refused() -> None:
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [1, 1, 8, 16])
    nodes = node("Expand", ["r", "size"], ["image"]), node("Reshape", ["z", "row"], ["r"])
    row = onnx.helper.make_tensor("row", onnx.TensorProto.INT64, [4], [1, 1, 8, 16])
    data = graph(*nodes[::-1], shape=(1, 128), initializer=[size, row])
    model_of(data, OnnxOptions(scale="-1..1"))  # a row count that Expand follows
    once = onnx.helper.make_tensor("once", onnx.TensorProto.FLOAT, [1, 128], [1.0] * 128)
    both = node("Concat", ["z", "once"], ["w"], axis=0), node("Reshape", ["w", "two"], ["image"])
    two = onnx.helper.make_tensor("two", onnx.TensorProto.INT64, [4], [1, 2, 8, 16])
    text = refusal(graph(*both, shape=(1, 128), initializer=[once, two]), OnnxOptions())
    assert "has a fixed number of rows (z 1)" in text
    assert "dynamic batch axis" in text


@pytest.mark.parametrize("training", [False, True])
def test_leaking_rows_are_refused(training: bool) -> None:
    network = Pictures if training else Leaking
    text = refusal(exported(network, training=training))
    assert "net.onnx: refused: an item made with other neighbours differs by up to" in text
    assert text.endswith("so its rows depend on each other")


def test_rows_that_differ_by_rounding_are_made_one_by_one() -> None:
    """A sum over the batch that cancels out but for rounding."""
    nodes = [
        node("ReduceMax", ["z"], ["most"], axes=[0], keepdims=1),
        node("Add", ["z", "most"], ["up"]),
        node("Sub", ["up", "most"], ["same"]),
        node("Reshape", ["same", "size"], ["image"]),
    ]
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 1, 8, 16])
    data = graph(*nodes, shape=("n", 128), initializer=[size])
    model, generator, notes = model_of(data, OnnxOptions(scale="-1..1"))
    assert model.rows_at_once == 1
    assert notes.remarks == (
        "items differ by rounding with their place in a batch, so each is generated alone",
    )
    whole = items(generator, range(20), 0)
    np.testing.assert_array_equal(items(generator, [19, 3], 0), whole[[19, 3]])


def test_one_hot_labels_and_text_embeddings() -> None:
    add = [
        node("MatMul", ["y", "weight"], ["shift"]),
        node("Add", ["z", "shift"], ["sum"]),
        node("Reshape", ["sum", "size"], ["image"]),
    ]
    table = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 8, 8, 1])
    held = [numpy_helper.from_array(table, "weight"), size]
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])
    model = onnx.load_model_from_string(graph(*add, shape=("n", 64), initializer=held))
    model.graph.input.append(y)
    data = model.SerializeToString()

    one_hot, generator, _ = model_of(data, OnnxOptions(labels=CLASSES, scale="-1..1"))
    assert one_hot.layout == "NHWC"
    assert one_hot.inputs.label.form == "one_hot"
    assert isinstance(generator, Decodes)
    noise, given = candidates(range(6), 3)
    expected = noise.normal((64,)) + torch.from_numpy(table)[given["label"]]
    torch.testing.assert_close(generator(noise, given).flatten(1), expected)
    middle = generator.latents(noise, given)
    assert middle.context.dtype == torch.float32

    words = np.eye(3, dtype=np.float64)[[2, 0, 1]]
    roles = InputRoles(text="y")
    as_text = OnnxOptions(labels=CLASSES, roles=roles, embeddings=words, scale="-1..1")
    config, tensors, _ = import_onnx(data, "net.onnx", as_text)
    assert tensors[TEXT].shape == (3, 3)
    generator = load_generator(config, tensors, InferenceConfig())
    moved = noise.normal((64,)) + torch.from_numpy(table)[(given["label"] + 2) % 3]
    torch.testing.assert_close(generator(noise, given).flatten(1), moved)

    short = OnnxOptions(labels=CLASSES, roles=roles, embeddings=words[:2])
    assert "expected floats, 3 × 3" in refusal(data, short)
    assert "give --labels and --embeddings" in refusal(data, OnnxOptions((), roles))


def test_fixed_values_and_uniform_noise() -> None:
    scale = onnx.helper.make_tensor_value_info("psi", onnx.TensorProto.FLOAT, [])
    nodes = [node("Mul", ["z", "psi"], ["m"]), node("Reshape", ["m", "size"], ["image"])]
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 1, 8, 8])
    model = onnx.load_model_from_string(graph(*nodes, shape=("n", 64), initializer=[size]))
    model.graph.input.append(scale)
    data = model.SerializeToString()
    assert "input psi (float32): its role is not clear" in refusal(data, OnnxOptions())
    roles = InputRoles(fixed={"psi": 0.5}, distribution="uniform")
    _, generator, _ = model_of(data, OnnxOptions(roles=roles, scale="-1..1"))
    noise, given = candidates(range(16), 0)
    made = generator(noise, given)
    torch.testing.assert_close(made.flatten(1), (noise.uniform((64,)) - 0.5).float())


def test_values_that_are_not_finite_are_refused() -> None:
    nodes = node("Log", ["z"], ["l"]), node("Reshape", ["l", "size"], ["image"])
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 1, 8, 8])
    text = refusal(graph(*nodes, shape=("n", 64), initializer=[size]), OnnxOptions())
    assert "not finite (NaN or infinite)" in text


def test_noise_that_changes_nothing_is_refused() -> None:
    nodes = [
        node("Mul", ["z", "zero"], ["none"]),
        node("Add", ["none", "ramp"], ["sum"]),
        node("Reshape", ["sum", "size"], ["image"]),
    ]
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 1, 8, 8])
    ramp = numpy_helper.from_array(np.linspace(0, 1, 64, dtype=np.float32), "ramp")
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    text = refusal(graph(*nodes, shape=("n", 64), initializer=[size, ramp, zero]), OnnxOptions())
    assert "every noise gives the same item" in text


def test_files_that_are_refused(tmp_path: Path) -> None:
    import pickle

    assert "external data" in refusal(with_external_data(tmp_path).read_bytes())
    assert "pickles" in refusal(pickle.dumps({"weights": [1.0]}), name="net.pkl")
    assert "damaged or truncated" in refusal(exported(Pictures)[:-1000])
    assert "random numbers" in refusal(graph(node("RandomNormalLike", ["z"], ["image"])))


def test_options_that_do_not_fit_are_refused() -> None:
    data = exported(Pictures)
    assert "--labels cat,dog" in refusal(data, OnnxOptions())
    assert "--labels: no input takes a label" in refusal(exported(Plain), LABELLED)
    assert "fails: " in refusal(data, OnnxOptions(labels=(*CLASSES, "one too many")))
    assert "--layout NHWC" in refusal(data, OnnxOptions(labels=CLASSES, layout="NHWC"))
    assert "--output x" in refusal(data, OnnxOptions(labels=CLASSES, output="x"))
    tiny = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [4], [-1, 1, 2, 2])
    small = graph(node("Reshape", ["z", "size"], ["image"]), initializer=[tiny])
    assert "height = 2" in refusal(small, OnnxOptions(scale="-1..1"))
    assert "expected images" in refusal(graph(node("Identity", ["z"], ["image"])), OnnxOptions())


def test_a_changed_graph_is_not_loaded() -> None:
    config, tensors, _ = import_onnx(exported(Plain), "net.onnx", OnnxOptions())
    other = tensors | {GRAPH: tensors[GRAPH].clone()}
    other[GRAPH][-1] += 1
    with pytest.raises(StoreError, match="its sha256 differs"):
        load_generator(config, other, InferenceConfig())
    with pytest.raises(AigcError, match=r"no model\.onnx"):
        load_generator(config, {}, InferenceConfig())
