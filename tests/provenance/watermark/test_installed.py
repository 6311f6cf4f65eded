from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import JobError, SpecError
from aigc.provenance.watermark import WATERMARKS, open_watermark
from aigc.provenance.watermark.installed import METHODS

MODULE = "tests.provenance.watermark.corner"


@pytest.fixture
def listed(monkeypatch):
    names = ["Corner", "Broken", "Wordy", "Failing", "Nothing", "Missing"]
    given = [f"{MODULE}:{name}" for name in names] + ["no_such_module:Watermark", "not a name"]
    monkeypatch.setenv(METHODS.variable, ", ".join(given))


def test_a_class_of_another_package_works_like_our_own(listed) -> None:
    mark = open_watermark(f"{MODULE}:Corner", b"\x55")
    shown = np.zeros((2, 8, 9, 1), np.uint8)
    marked = mark.embed(shown, [b"\x01", b"\x02"])
    found = [mark.detect(one) for one in marked]
    assert [one.payload for one in found] == [b"\x01", b"\x02"]
    assert found[0].method == f"{MODULE}:Corner"
    assert mark.soft_binding(b"\x01").algorithm == "example.corner"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{MODULE}:Wordy", "payload_bits is 9; 8 to 56"),
        (f"{MODULE}:Failing", "cannot be made: RuntimeError: no weights here"),
        (f"{MODULE}:Nothing", "it lacks least_px, payload_bits, embed, detect, soft_binding"),
        (f"{MODULE}:Missing", "has no Missing"),
        ("no_such_module:Watermark", "ModuleNotFoundError"),
        ("os:path", "not on this machine's list.*AIGC_WATERMARKS; there are: spread, .*Corner"),
        ("trustmark", "not on this machine's list"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(listed, name, reason) -> None:
    with pytest.raises(SpecError, match=reason) as refused:
        open_watermark(name, b"")
    assert "\n" not in str(refused.value)


def test_a_result_of_another_shape_is_found_out(listed) -> None:
    mark = open_watermark(f"{MODULE}:Broken", b"")
    with pytest.raises(JobError, match=r"returned uint8 \(1, 1, 8, 1\)"):
        mark.embed(np.zeros((1, 8, 8, 1), np.uint8), [b"x"])


def test_our_own_need_no_list() -> None:
    for name, method in WATERMARKS.items():
        mark = open_watermark(name, b"")
        assert method.title
        assert mark.payload_bits >= 32
        assert mark.least_px <= 128
