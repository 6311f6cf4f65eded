from __future__ import annotations

import pytest

from aigc.errors import StorageError
from aigc.modalities.image.perceptual import hashes
from aigc.provenance import trace_writer
from aigc.provenance.trace_writer import TraceWriter
from tests.provenance.indexes import FIRST
from tests.provenance.statements import pixels


def test_an_existing_folder_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(StorageError, match="exists; choose another"):
        TraceWriter(tmp_path)
    assert (tmp_path / "mine").read_text() == "x"


def test_a_failure_leaves_nothing(tmp_path) -> None:
    with pytest.raises(RuntimeError), TraceWriter(tmp_path / "new") as writer:
        writer.begin(FIRST)
        writer.add(["a"], [bytes(32)], hashes(pixels(1)))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_more_items_than_row_numbers_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trace_writer, "MOST_ITEMS", 2)
    with pytest.raises(StorageError, match="holds 2 items"), TraceWriter(tmp_path / "n") as writer:
        writer.begin(FIRST)
        writer.add(["a"] * 3, [bytes(32)] * 3, hashes(pixels(3)))
