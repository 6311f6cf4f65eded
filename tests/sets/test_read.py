"""What is shown of a set, also when its pictures differ."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from aigc.conditions import Schedule
from aigc.errors import JobError
from aigc.job.plan import Job, Range
from aigc.output import commit
from aigc.sets import gallery, read, verify
from aigc.types import ShardRecord
from tests.output.handmade import COUNT, batch, write

Mixed = tuple[str, Job, dict[int, ShardRecord]]


@pytest.fixture
def mixed(sets, tmp_path: Path) -> Mixed:
    """Fifty pictures in four codecs and three widths, as if made from briefs."""
    out = str(tmp_path / "set")
    job = sets.start(str(tmp_path / "job"))
    whole = (Range(start=0, stop=COUNT),)
    form = job.form.model_copy(update={"channels": 3})
    changes = {"briefs_digest": "x", "form": form, "count": COUNT, "ranges": whole}
    job = job.model_copy(update=changes | {"shard_items": COUNT})
    return out, job, {0: write("parquet", out, batch(["png", "jpeg", "webp", "raw"], start=0))}


def test_pictures_of_any_codec_and_size(mixed: Mixed) -> None:
    found = read.stored(*mixed, range(8))
    assert [found[at].format.codec for at in range(8)] == ["png", "jpeg", "webp", "raw"] * 2
    shapes = [found[at].values().shape for at in range(8)]
    assert shapes == [(6, 8 + at % 3, 3) for at in range(8)]
    assert np.array_equal(
        found[3].values().ravel(), np.frombuffer(read.items(*mixed, [3])[3], np.uint8)
    )


def test_sheets_fit_pictures_of_differing_sizes(mixed: Mixed) -> None:
    sheet, names = read.sample_by_label(*mixed, 3)
    assert sheet.shape == (10 * 3, 6, 10, 3)
    assert names[:3] == ["from 0", "from 5", "from 10"]
    narrow = sheet[0]
    assert np.array_equal(narrow[:, 1:9], read.stored(*mixed, [0])[0].values())
    assert (narrow[:, [0, 9]] == 255).all()


def test_an_unfinished_set_is_shown_as_far_as_it_is_made(sets, tmp_path: Path) -> None:
    out = str(tmp_path)
    job = sets.start(out)
    with pytest.raises(JobError, match="nothing to show is made yet"):
        read.sample_by_label(out, job, {}, 12)
    sets.shards(out, job, [0])
    sheet, names = read.sample_by_label(out, job, commit.read_records(out), 12)
    assert len(sheet) == 12 * len(names) == 48
    blank = (sheet == 255).all(axis=(1, 2, 3)).reshape(4, 12)
    assert blank[:, 8:].all()
    assert not blank[:, :8].any()


def test_what_is_held_of_large_pictures_is_bounded(sets, tmp_path: Path) -> None:
    size = {"width": 512, "height": 512, "count": 64, "shard_items": 64}
    for writer, codec in (("webdataset", "raw"), ("files", "jpeg")):
        out = str(tmp_path / writer)
        job = sets.start(out, writer=writer, codec=codec, **size)
        sets.shards(out, job, [0])
        held = [part.files for part in read.rows(out, job, commit.read_record(out, 0))]
        assert sum(map(len, held)) == 64
        assert max(map(len, held)) <= 32
        assert max(sum(map(len, files)) for files in held) <= 9 * 2**20


def test_a_sheet_is_bounded_whatever_the_number_of_labels(mixed, monkeypatch) -> None:
    out, job, records = mixed
    names = tuple(f"label {number}" for number in range(1500))
    many = {"label": Schedule(pattern=tuple(range(1500)), names=names)}
    job = job.model_copy(update={"briefs_digest": None, "schedules": many})
    vars(job).pop("pattern", None)  # kept of the job that was copied
    sheet, shown = read.sample_by_label(out, job, records, 2)
    assert sheet.shape == (101 * 2, 6, 10, 3)
    assert shown == [*names[:100], "the first 100 of 1,500 labels"]
    assert (sheet[-2:] == 255).all()
    monkeypatch.setattr(read, "_SHEET_BYTES", 101 * 2 * 3 * 5 * 5)
    sheet, _ = read.sample_by_label(out, job, records, 2)
    assert sheet.shape == (101 * 2, 5, 5, 3)


def test_the_gallery_shows_all_codecs(mixed: Mixed) -> None:
    page = gallery.page(*mixed, 4, {"items": COUNT})
    assert page.count("<img ") == 40
    for kind in ("png", "jpeg", "webp"):
        assert f"data:image/{kind};base64," in page
    assert "application/octet-stream" not in page


def test_what_differs_is_said_of_files_and_of_raw_values(mixed: Mixed) -> None:
    found = read.stored(*mixed, [3, 7, 0, 4])
    told = verify.difference(found[3].file[::-1], found[3])
    assert re.match(r"made again it differs in \d+\.\d% of its values, by at most \d+ grey", told)
    told = verify.difference(found[0].file, found[4])
    assert "made again it is (6, 8, 3), stored (6, 9, 3)" in told
    assert "cannot be compared: not a readable image" in verify.difference(b"other", found[0])


def test_a_small_set_from_briefs_shows_each_item_once(mixed: Mixed) -> None:
    _, job, _ = mixed
    groups = read.first_of_each_label(job.model_copy(update={"count": 3}), 12)
    assert [indices for _, indices in groups] == [[0], [1], [2]]
