from __future__ import annotations

from pathlib import Path

import pytest

from aigc.errors import JobError, StorageError
from aigc.modalities.image.perceptual import hash_file
from aigc.output import commit
from aigc.provenance.trace import Tracer
from aigc.provenance.trace_index import TraceIndex
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
