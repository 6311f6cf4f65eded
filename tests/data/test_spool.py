from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from aigc.data.dataset import Dataset
from aigc.data.spool import empty_items
from aigc.errors import DiskFullError


def test_what_fits_stays_in_memory() -> None:
    assert not isinstance(empty_items((2, 4, 4, 1), 32), np.memmap)


def test_what_does_not_fit_lies_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = empty_items((2, 4, 4, 1), 31)
    assert isinstance(pixels, np.memmap)
    pixels[...] = 7
    assert pixels.sum() == 7 * 32
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DiskFullError, match="no room for 1,099,511,627,776 bytes") as caught:
        empty_items((2**20, 2**10, 2**10, 1), 2**20)
    assert "\n" not in str(caught.value)


def test_a_split_is_the_same_from_memory_and_from_a_file(numbered: Dataset) -> None:
    pixels, labels = numbered.read("train", 100, 3)
    from_file, same_labels = numbered.read("train", 100, 3, memory_bytes=1000)
    assert isinstance(from_file, np.memmap)
    assert np.array_equal(pixels, from_file)
    assert np.array_equal(labels, same_labels)
