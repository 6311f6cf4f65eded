"""The whole way in one command, on digits: photos in, a verified set out, and reused again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from aigc.sets.verify import verify
from tests.processes import Command

pytestmark = pytest.mark.integration


def demo(folder: Path) -> str:
    """What it prints. Ray starts and ends in the middle of it; nothing of either is left."""
    words = [
        "demo",
        "--smoke",
        "--minutes",
        "0.1",
        "--count",
        "1000",
        "--out",
        str(folder / "demo"),
    ]
    temporary = Path(tempfile.mkdtemp(prefix="aigc-d-"))  # Ray's sockets need a short path
    environment = {"AIGC_STORE": str(folder / "store")}
    with (folder / "log").open("wb") as log, Command(words, temporary, log, environment) as it:
        assert it.leaves() == []
    shutil.rmtree(temporary)
    said = (folder / "log").read_text()
    assert it.process.returncode == 0, said
    return said


@pytest.mark.timeout(600)
def test_the_demo_makes_everything_once(tmp_path: Path) -> None:
    first = demo(tmp_path)
    for figure in ("fd", "recall", "coverage"):
        assert f"│ {figure}" in first
    images = tmp_path / "demo" / "images"
    assert (images / "preview.png").stat().st_size > 1000
    made = verify(str(images))
    assert made["labels"] == dict.fromkeys("0123456789", 100)
    before = {path: path.stat().st_mtime_ns for path in images.rglob("*") if path.is_file()}
    second = demo(tmp_path)
    assert "is already complete" in second
    assert "digits@v1" in second
    assert before == {path: path.stat().st_mtime_ns for path in images.rglob("*") if path.is_file()}
