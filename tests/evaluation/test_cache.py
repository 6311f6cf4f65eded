from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aigc.evaluation.cache import FOLDER, Arrays, cached


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"value": np.arange(3.0), "labels": np.array([1, 2])}


def test_the_second_call_reads_what_the_first_made(tmp_path: Path) -> None:
    make = Maker()
    first = cached(str(tmp_path), "features", {"seed": 0}, make)
    second = cached(str(tmp_path), "features", {"seed": 0}, make)
    assert make.calls == 1
    assert sorted(second) == ["labels", "value"]
    np.testing.assert_array_equal(first["value"], second["value"])
    cached(str(tmp_path), "features", {"seed": 1}, make)
    assert make.calls == 2


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    make = Maker()
    cached(str(tmp_path), "floor", {}, make)
    (file,) = (tmp_path / FOLDER).iterdir()
    for damage in (b"", b"PK\x03\x04 torn", file.read_bytes()[:200]):
        file.write_bytes(damage)
        assert len(cached(str(tmp_path), "floor", {}, make)) == 2
    assert make.calls == 4
    cached(str(tmp_path), "floor", {}, make)
    assert make.calls == 4


def test_a_data_set_that_cannot_be_written_to_is_no_obstacle(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where a folder is needed")
    make = Maker()
    assert len(cached(str(blocked), "features", {}, make)) == 2
    assert len(cached(str(blocked), "features", {}, make)) == 2
    assert make.calls == 2


@pytest.mark.integration
def test_s3_holds_a_cache_too(s3_uri: str) -> None:
    make = Maker()
    for _ in range(2):
        cached(f"{s3_uri}/data", "features", {"seed": 0}, make)
    assert make.calls == 1
