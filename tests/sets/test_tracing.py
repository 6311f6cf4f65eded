from __future__ import annotations

from pathlib import Path

import pytest

from aigc.errors import JobError, SpecError, StorageError
from aigc.modalities.image.perceptual import hash_file
from aigc.output import commit
from aigc.provenance.trace import Tracer
from aigc.provenance.trace_index import TraceIndex
from aigc.provenance.watermark import Detection
from aigc.provenance.watermark.payload import payload_of
from aigc.sets import read
from aigc.sets.tracing import index_sets
from tests.provenance.tampering import reencode


@pytest.mark.parametrize("options", [{}, {"codec": "raw"}, {"writer": "webdataset"}])
def test_items_of_a_set_are_found_again(sets, tmp_path, options) -> None:
    out = str(tmp_path / "set")
    job = sets.finished(out, **options)
    seen: list[tuple[float, float]] = []

    def report(done: float, total: float, **_: object) -> None:
        seen.append((done, total))

    found = index_sets([out], tmp_path / "index", report)
    assert found == {"index": str(tmp_path / "index"), "items": job.count, "sets": 1}
    assert seen[-1] == (job.count, job.count)
    index = TraceIndex(tmp_path / "index")
    tracer = Tracer([index], look=hash_file)
    records = commit.read_records(out)
    for part in read.rows(out, job, records[0]):
        for at, name in enumerate(part.ids):
            (known,) = index.by_id(name)
            assert (known.of.uri, known.of.model) == (out, job.model)
            traced = tracer.trace(part.files[at])
            assert traced.evidence[0].certainty == "proof"
            assert name in {one.item for one in traced.evidence}
            if "codec" not in options:
                looks = tracer.trace(reencode(part.files[at], 2.0, 95)).evidence
                assert all(one.kind == "perceptual" for one in looks)


def test_of_two_sets_with_one_item_none_is_named_as_the_one(sets, tmp_path) -> None:
    """Sets of one model and seed share ids: a signature or watermark proves the item alone."""
    outs = [str(tmp_path / name) for name in ("a", "b")]
    job = sets.finished(outs[0])
    sets.finished(outs[1])
    index_sets(outs, tmp_path / "index")
    part = next(read.rows(outs[0], job, commit.read_records(outs[0])[0]))
    payload = payload_of(part.ids[0], 40)
    seen = [Detection(payload, 9.0, 1e-9, "spread")]
    tracer = Tracer([TraceIndex(tmp_path / "index")], find_marks=lambda _: seen)
    found = tracer.trace(b"another file")
    assert [one.set for one in found.evidence] == outs
    assert found.notes == (
        f"2 sets have item {part.ids[0]}; it cannot be told which of them this is from",
    )


def test_a_set_is_indexed_once(sets, tmp_path) -> None:
    out = str(tmp_path / "set")
    sets.finished(out)
    with pytest.raises(SpecError, match=f"sets: {out} is given twice; name each set once"):
        index_sets([out, out], tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_sets_that_are_not_finished_leave_no_index(sets, tmp_path) -> None:
    out = str(tmp_path / "set")
    sets.start(out)
    with pytest.raises(JobError, match="not finished"):
        index_sets([out], tmp_path / "index")
    assert not (tmp_path / "index").exists()
    sets.finished(str(tmp_path / "whole"))
    Path(tmp_path / "index").mkdir()
    with pytest.raises(StorageError, match="exists; choose another"):
        index_sets([str(tmp_path / "whole")], tmp_path / "index")
