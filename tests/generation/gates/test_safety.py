from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.generation.gates import data_digests, load_gates, require
from aigc.modalities import MODALITIES, ItemType
from aigc.specs import Gates, SafetyGate, ServeSpec, build
from tests.classifiers_for_tests import bright
from tests.generation.gates.pictures import chosen, loaded, pictures, some
from tests.models_for_tests import tiny_config, tiny_tensors

GENERATOR = loaded(tiny_config(), tiny_tensors(tiny_config()))
DELIVERY = MODALITIES["image"].delivery
LEVELS = np.array([10, 200, 127, 128, 129, 255], np.uint8)
BATCH = pictures(np.ones((6, 16, 16, 1), np.uint8) * LEVELS[:, None, None, None])


def test_unsafe_items_are_refused_and_scored(tmp_path: Path) -> None:
    found = load_gates(Gates(safety=bright(tmp_path)), False, GENERATOR, DELIVERY)(BATCH)
    assert found.reasons == [None, "unsafe", None, "unsafe", "unsafe", "unsafe"]
    np.testing.assert_allclose(found.scores["safety"], LEVELS / 255, atol=1e-6)
    assert found.scores["safety"].dtype == np.float32


def test_flagged_items_pass(tmp_path: Path) -> None:
    gate = bright(tmp_path, policy="flag")
    found = load_gates(Gates(safety=gate), False, GENERATOR, DELIVERY)(BATCH)
    assert found.keep.all()
    np.testing.assert_allclose(found.scores["safety"], LEVELS / 255, atol=1e-6)


def test_a_score_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    gates = load_gates(Gates(safety=bright(tmp_path)), False, GENERATOR, DELIVERY)
    batch = some(20)
    together = gates(batch).scores["safety"]
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(gates(chosen(batch, order)).scores["safety"], together[order])
    np.testing.assert_array_equal(gates(chosen(batch, [3])).scores["safety"], together[3:4])


def test_one_line_turns_it_on() -> None:
    assert build(Gates, {"safety": True}).safety == SafetyGate()
    assert build(Gates, {"safety": False}).safety is None
    assert build(Gates, {"safety": {"threshold": 0.8, "policy": "flag"}}).safety == SafetyGate(
        threshold=0.8, policy="flag"
    )
    assert "safety" not in Gates().model_dump()
    assert not Gates().local
    assert build(Gates, {"safety": True}).local


def test_the_endpoint_has_no_column_for_flags() -> None:
    assert build(ServeSpec, {"gates": {"safety": True}}).gates.safety == SafetyGate()
    with pytest.raises(SpecError, match="flag is for sets, which have a column for it"):
        build(ServeSpec, {"gates": {"safety": {"policy": "flag"}}})


def test_the_classifier_is_part_of_what_a_job_compares_with(tmp_path: Path) -> None:
    gates = Gates(safety=bright(tmp_path))
    [digest] = data_digests(gates).values()
    moved = gates.with_data({"safety": "elsewhere.onnx"})
    assert moved.data == {"safety": "elsewhere.onnx"}
    assert gates.data == {"safety": str(tmp_path / "bright.onnx")}
    (tmp_path / "bright.onnx").write_bytes(b"other")
    assert data_digests(gates)["safety"] != digest


def test_what_cannot_be_judged_is_refused_before_a_job(tmp_path: Path) -> None:
    def load():
        raise AssertionError("the model need not be loaded")

    image, sound = ItemType((16, 16, 1), "uint8"), ItemType((800, 1), "int16", 8000)
    require(Gates(safety=bright(tmp_path)), False, load, image)
    with pytest.raises(SpecError, match="no safety classifier for sounds"):
        require(Gates(safety=bright(tmp_path)), False, load, sound)
