"""With another version of a library its bytes are not compared, and everything else still is."""

from __future__ import annotations

import pytest

from tests.golden.cases import CASES
from tests.golden.compare import differences
from tests.golden.versions import libraries, not_compared


def with_other(*changed: str) -> dict[str, str]:
    """What was recorded, if `changed` had been of another version then."""
    return libraries() | dict.fromkeys(changed, "another 0.1")


@pytest.mark.parametrize(
    ("name", "changed", "fields"),
    [
        ("gan/plain/png/parquet", [], set()),
        ("gan/plain/png/parquet", ["jpeg", "webp"], set()),
        ("gan/plain/png/parquet", ["png"], {"content_digest", "data", "images", "bytes"}),
        ("gan/plain/png/parquet", ["parquet"], {"data"}),
        ("gan/plain/png/webdataset", ["parquet"], set()),
        ("gan/plain/raw/webdataset", ["png", "jpeg", "webp", "parquet"], set()),
        ("gan/plain/png/parquet", ["resampling"], set()),
    ],
)
def test_only_what_a_library_writes_is_left_out(
    name: str, changed: list[str], fields: set[str]
) -> None:
    assert {*not_compared(CASES[name], with_other(*changed))} == fields


@pytest.mark.parametrize("name", ["gan/plain/jpeg/files", "gan/resized/png/parquet"])
def test_pixels_are_left_out_where_pillow_decides_them(name: str) -> None:
    assert "pixels" in not_compared(CASES[name], with_other("resampling"))


def test_the_mean_level_may_move_a_little_and_nothing_else_may() -> None:
    before = {"mean_level": 100.0, "pixels": "a", "data": {"x": "1"}, "ids": ["1", "2"]}
    assert not differences(before, before | {"mean_level": 100.9})
    assert not differences(before, before | {"data": {"x": "2"}}, {"data"})
    assert differences(before, before | {"mean_level": 101.5})
    assert differences(before, before | {"pixels": "b"}, {"data"})
    assert differences(before, before | {"data": {"x": "1", "y": "2"}})
    assert differences(before, before | {"ids": ["1"]})
    assert differences(before, before | {"more": 1}) == ["more: None recorded, 1 found"]
