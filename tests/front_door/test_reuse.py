"""A finished data set and its source: reused while the content is the same, else refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc import storage
from aigc.distributed import evaluate
from aigc.distributed.prepare import run
from aigc.errors import AigcError
from aigc.specs import EvaluateSpec
from tests.command_line import aigc
from tests.data.pictures import encoded, folder, noise, spec
from tests.data.test_idx import packed
from tests.models_for_tests import publish_tiny

Change = Callable[[Path], object]
REUSED = ""
OTHER, MORE, FEWER = "other content", "6 files then, 7 now", "6 files then, 5 now"


def pictures(root: Path) -> Path:
    folder(root, {"a": 3, "b": 2})
    (root / "source.json").write_text('{"name": "Shop"}')
    return root


def idx(root: Path) -> Path:
    root.mkdir()
    pixels = np.stack([noise(at, 16, 1) for at in range(4)])
    (root / "train-images-idx3-ubyte").write_bytes(packed(pixels))
    (root / "train-labels-idx1-ubyte").write_bytes(packed(np.array([0, 1, 0, 1], np.uint8)))
    (root / "labels.txt").write_text("red\nblue\n")
    return root


def table(root: Path) -> Path:
    root.mkdir()
    images = [encoded(noise(at)) for at in range(4)]
    pq.write_table(pa.table({"image": images, "label": [0, 1, 0, 1]}), root / "a.parquet")
    return root


def packed_up(root: Path) -> Path:
    """The pictures as one ZIP in a folder."""
    pictures(root.with_name("loose"))
    root.mkdir()
    shutil.make_archive(str(root / "shop"), "zip", root.with_name("loose"))
    return root


def packed_again(root: Path) -> None:
    (root.with_name("loose") / "a/0000.png").write_bytes(encoded(noise(77)))
    shutil.make_archive(str(root / "shop"), "zip", root.with_name("loose"))


def written(name: str) -> Change:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")

    return change


def in_place(name: str, data: bytes) -> Change:
    """Other bytes of the same number and the same times."""

    def change(root: Path) -> None:
        before = (root / name).stat()
        (root / name).write_bytes(data.ljust(before.st_size, b"\0")[: before.st_size])
        os.utime(root / name, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def touched(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (1, 1))


def copied(root: Path) -> None:
    shutil.copytree(root, root.with_name("copy"))
    shutil.rmtree(root)
    root.with_name("copy").rename(root)


def labels_of(numbers: list[int]) -> Change:
    def change(root: Path) -> None:
        images = [encoded(noise(at)) for at in range(4)]
        pq.write_table(pa.table({"image": images, "label": numbers}), root / "a.parquet")

    return change


TABLE: dict[str, tuple[Callable[[Path], Path], Change, str]] = {
    "nothing": (pictures, lambda root: None, REUSED),
    "other times": (pictures, touched, REUSED),
    "a copy in its place": (pictures, copied, REUSED),
    "rights": (pictures, lambda root: (root / "a/0000.png").chmod(0o600), REUSED),
    "an empty folder": (pictures, lambda root: (root / "c").mkdir(), REUSED),
    "a picture more": (
        pictures,
        lambda root: (root / "a/new.png").write_bytes(encoded(noise(77))),
        MORE,
    ),
    "a picture less": (pictures, lambda root: (root / "a/0000.png").unlink(), FEWER),
    "another picture": (
        pictures,
        lambda root: (root / "a/0000.png").write_bytes(encoded(noise(77))),
        OTHER,
    ),
    "another picture, same size and time": (
        pictures,
        in_place("a/0000.png", encoded(noise(77))),
        OTHER,
    ),
    "moved to another class": (
        pictures,
        lambda root: (root / "a/0000.png").rename(root / "b/0009.png"),
        OTHER,
    ),
    "a class renamed": (pictures, lambda root: (root / "a").rename(root / "z"), OTHER),
    "another licence": (
        pictures,
        lambda root: (root / "source.json").write_text('{"name": "S"}'),
        OTHER,
    ),
    "names of classes": (idx, lambda root: (root / "labels.txt").write_text("blue\nred\n"), OTHER),
    "names of classes, same size and time": (idx, in_place("labels.txt", b"blue\nred\n"), OTHER),
    "labels in IDX": (
        idx,
        in_place("train-labels-idx1-ubyte", packed(np.array([1, 0, 1, 0], np.uint8))),
        OTHER,
    ),
    "labels in Parquet": (table, labels_of([1, 0, 1, 0]), OTHER),
    "the same Parquet again": (table, labels_of([0, 1, 0, 1]), REUSED),
    "an archive": (packed_up, touched, REUSED),
    "another picture in the archive": (packed_up, packed_again, OTHER),
    "a folder's view": (pictures, written(".DS_Store"), REUSED),
    "thumbnails": (pictures, written("a/Thumbs.db"), REUSED),
    "a disk station's folder": (pictures, written("a/@eaDir/0000.png"), REUSED),
    "figures of evaluation": (table, written("_cache/real-0.npz"), REUSED),
}


@pytest.mark.parametrize("name", TABLE)
def test_after(name: str, tmp_path: Path) -> None:
    make, change, right = TABLE[name]
    chosen = spec(make(tmp_path / "raw"), tmp_path / "out", near_duplicates="keep")
    made = run(chosen)
    change(tmp_path / "raw")
    if right:
        with pytest.raises(AigcError, match=right) as refused:
            run(chosen)
        assert "\n" not in str(refused.value)
        assert str(tmp_path / "raw") in str(refused.value)
    else:
        assert run(chosen) == made | {"reused": True}


@pytest.mark.parametrize(
    ("field", "reused"), [("", True), ("data", False), ("model", False), ("spec", False)]
)
def test_a_report_is_of_its_data(
    field: str, reused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = run(spec(pictures(tmp_path / "raw"), tmp_path / "data"))
    version = publish_tiny("reported")
    asked = EvaluateSpec(model=version.ref, data=data["uri"], out=str(tmp_path / "report"))
    stands: dict[str, Any] = {
        "spec": asked.model_dump(mode="json"),
        "model": {"digest": version.digest},
        "data": {"digest": data["digest"]},
    }
    other = {field: {"digest": "another"}} if field else {}
    storage.write_bytes(f"{asked.out}/{evaluate.REPORT}", json.dumps(stands | other).encode())
    monkeypatch.setattr(evaluate, "run", lambda *_: {"made": "again"})
    assert evaluate.reuse_or_run(asked) == (stands if reused else {"made": "again"})


def test_a_set_whose_source_is_gone_is_reused_with_a_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("data", "prepare", str(pictures(tmp_path / "raw")), str(tmp_path / "out"))
    assert aigc(capsys, *words, "--size", "16")[0] == 0
    shutil.rmtree(tmp_path / "raw")
    code, _, told = aigc(capsys, *words, "--size", "16")
    assert code == 0
    assert "whose files are gone with this spec; nothing to do" in told
    code, _, told = aigc(capsys, *words, "--size", "24")
    assert code == 2
    assert "choose another out or delete it" in told
