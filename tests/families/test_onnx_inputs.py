"""Noise, label and text inputs are deduced where they are plain, and asked for where not."""

from __future__ import annotations

from typing import Any

import pytest

from aigc.errors import SpecError
from aigc.families.onnx_inputs import InputRoles, deduced

CATS = ("cat", "dog", "owl")


def one(name: str, *axes: int | str, dtype: str = "float32") -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(axes)}


Z = one("z", "n", 64)


@pytest.mark.parametrize(
    ("label", "form"),
    [
        (one("label", "n", dtype="int64"), "index"),
        (one("class_id", "n", 1, dtype="int32"), "column"),
        (one("y", "n", 3), "one_hot"),
        (one("anything", "n", dtype="int64"), "index"),
        (one("classes", 1, 1), "column"),
    ],
)
def test_a_label_is_known_by_name_and_type(label: dict[str, Any], form: str) -> None:
    found = deduced([Z, label], InputRoles(), CATS)
    assert [noise.name for noise in found.noise] == ["z"]
    assert found.noise[0].shape == (64,)
    assert (found.label.name, found.label.form) == (label["name"], form)
    assert found.batched == ("z", label["name"])


def test_noise_is_the_only_other_input_whatever_its_name() -> None:
    found = deduced([one("serving_default_input_42:0", None, 8, 1, 1)], InputRoles(), ())  # type: ignore[arg-type]
    assert found.noise[0].shape == (8, 1, 1)
    assert found.label is None


def test_several_noises_keep_their_order() -> None:
    both = deduced([one("z", 1, 64), one("noise_1", 1, 1, 8, 8, dtype="float64")], InputRoles(), ())
    assert [noise.name for noise in both.noise] == ["z", "noise_1"]
    assert both.noise[1].dtype == "float64"


def test_a_text_embedding_is_known_by_name() -> None:
    found = deduced([Z, one("text_embeds", "n", 77, 32)], InputRoles(), CATS)
    assert (found.text.name, found.text.shape) == ("text_embeds", (77, 32))
    assert found.label is None


def test_names_that_are_given_count_more() -> None:
    inputs = [one("y", "n", 64), one("z", "n", 3), one("psi", dtype="float32")]
    named = InputRoles(noise=("y",), label="z", fixed={"psi": 0.7}, distribution="uniform")
    found = deduced(inputs, named, CATS)
    assert found.noise[0].name == "y"
    assert found.noise[0].distribution == "uniform"
    assert (found.label.name, found.label.form) == ("z", "one_hot")
    assert (found.fixed[0].value, found.fixed[0].shape) == (0.7, ())


@pytest.mark.parametrize(
    ("inputs", "named", "labels", "says"),
    [
        (
            [Z],
            InputRoles(noise=("x",)),
            (),
            r"--noise x: .*no such input; it has z \(float32, n × 64\)",
        ),
        ([Z], InputRoles(fixed={"t": 1}), (), "--fix t: "),
        ([Z, one("psi")], InputRoles(), (), r"input psi \(float32\): its role is not clear"),
        ([Z, one("a", "n", 8)], InputRoles(), (), "input a .*: its role is not clear"),
        ([one("label", "n", dtype="int64")], InputRoles(), CATS, "no input is noise"),
        ([Z, one("label", "n", dtype="int64")], InputRoles(), (), "--labels cat,dog"),
        ([Z, one("label", "n", 5)], InputRoles(label="label"), CATS, "for the 3 --labels"),
        ([one("z", "n", "c", 4)], InputRoles(), (), "only the first axis may be dynamic"),
        ([one("z", "n", 2**12, 2**12)], InputRoles(), (), "expected 1 to 4,194,304 numbers"),
        ([one("z", "n", 0)], InputRoles(), (), "expected 1 to"),
        ([Z, one("n", dtype="int64")], InputRoles(fixed={"n": 0.5}), (), "expected a whole number"),
        (
            [one("a", "n", dtype="int64"), one("b", "n", dtype="int64"), Z],
            InputRoles(),
            CATS,
            "a, b",
        ),
        ([one("z", "n", dtype="string")], InputRoles(noise=("z",)), (), "floating point"),
    ],
)
def test_what_is_not_plain_is_one_line(
    inputs: list[dict[str, Any]], named: InputRoles, labels: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        deduced(inputs, named, labels)
    assert "\n" not in str(caught.value)
