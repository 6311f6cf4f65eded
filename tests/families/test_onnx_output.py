"""Layout and range of an output: deduced, or taken as given if they can be right."""

from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.families.onnx_output import (
    RANGES,
    chosen,
    layout_of,
    range_of,
    to_unit,
)


@pytest.mark.parametrize(
    ("shape", "asked", "layout"),
    [
        ((4, 3, 16, 16), None, "NCHW"),
        ((4, 16, 16, 3), None, "NHWC"),
        ((4, 1, 16, 16), None, "NCHW"),
        ((4, 16, 20), None, "NHW"),
        ((4, 3, 16, 3), "NHWC", "NHWC"),
        ((4, 3, 16, 3), None, "NCHW"),
    ],
)
def test_layouts(shape: tuple[int, ...], asked: str | None, layout: str) -> None:
    assert layout_of(shape, asked) == layout


@pytest.mark.parametrize("shape", [(4, 16, 16, 16), (4, 4, 16, 16), (4, 10), (4,)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"expected images N×C×H×W or N×H×W×C"):
        layout_of(shape, None)


def test_a_layout_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SpecError, match="--layout NHWC: the output has the shape 4 × 3 × 16 × 16"):
        layout_of((4, 3, 16, 16), "NHWC")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([0.0, 0.2, 1.0], "0..1"),
        ([-0.4, 0.5], "-1..1"),
        ([-1.01, 1.01], "-1..1"),
        ([0.0, 254.6], "0..255"),
        ([0.3, 0.7], "0..1"),
        (np.array([0, 1], np.uint8), "0..255"),
    ],
)
def test_ranges(values: object, name: str) -> None:
    assert range_of(np.asarray(values), None) == RANGES[name]


def test_ranges_that_cannot_be_right() -> None:
    with pytest.raises(SpecError, match=r"lies in -2.5..3, which is none of 0..1, -1..1, 0..255"):
        range_of(np.array([-2.5, 3]), None)
    assert range_of(np.array([-2.5, 3]), "-1..1") == (-1, 1)
    with pytest.raises(SpecError, match=r"--range 0..1: .* all of it outside"):
        range_of(np.array([-2.5, -1]), "0..1")
    with pytest.raises(SpecError, match="expected one of"):
        range_of(np.array([0, 0.5]), "0..2")
    for unfit in ([0.0, np.nan], [0.0, np.inf]):
        with pytest.raises(SpecError, match="not finite"):
            range_of(np.array(unfit), None)
    with pytest.raises(SpecError, match="everywhere"):
        range_of(np.zeros(4), None)
    with pytest.raises(SpecError, match="expected numbers"):
        range_of(np.array([True, False]), None)


def test_sounds() -> None:
    assert layout_of((4, 1, 16000), None, sounds=True) == "NCT"
    assert layout_of((4, 16000, 2), None, sounds=True) == "NTC"
    assert layout_of((4, 16000), None, sounds=True) == "NT"
    with pytest.raises(SpecError, match="expected sounds N×C×T or N×T×C with 1 or 2 channels"):
        layout_of((4, 3, 16000), None, sounds=True)
    assert range_of(np.array([-0.01, 0.02]), None, sounds=True) == (-1, 1)
    whole = np.array([-32768, 0, 16384], np.int16)
    scale = range_of(whole, None, sounds=True)
    np.testing.assert_array_equal(to_unit(whole[None], "NT", scale), [[[-1, 0, 0.5]]])
    with pytest.raises(SpecError, match=r"which is none of -1\.\.1, int16"):
        range_of(np.array([-1e6, 1e6]), None, sounds=True)
    assert to_unit(np.zeros((4, 16000, 2), np.float32), "NTC", (-1, 1)).shape == (4, 2, 16000)


def test_network_values_have_channels_first_and_lie_in_minus_one_to_one() -> None:
    nhwc = np.random.default_rng(0).uniform(size=(2, 4, 5, 3)).astype(np.float32)
    unit = to_unit(nhwc, "NHWC", (0, 1))
    assert unit.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(unit[:, 1], nhwc[..., 1] * 2 - 1, atol=1e-6)
    assert to_unit(nhwc[..., 0], "NHW", (0, 1)).shape == (2, 1, 4, 5)
    kept = nhwc.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(to_unit(kept, "NCHW", (-1, 1)), kept)


def test_whole_levels_come_back_as_they_are() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    unit = to_unit(levels, "NHW", (0, 255))
    back = np.rint((unit + 1) * np.float32(127.5)).astype(np.uint8)
    np.testing.assert_array_equal(back[0, 0], levels[0])


def test_the_output_is_the_only_one_or_named() -> None:
    both = [{"name": "image"}, {"name": "mask"}]
    assert chosen(both[:1], None) == "image"
    assert chosen(both, "mask") == "mask"
    with pytest.raises(SpecError, match=r"2 outputs; give --output: image, mask"):
        chosen(both, None)
    with pytest.raises(SpecError, match=r"--output depth: .* it has image, mask"):
        chosen(both, "depth")
