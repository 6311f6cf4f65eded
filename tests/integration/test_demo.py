"""The whole way in one command, on digits: photos in, a verified set out, and reused again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aigc.output.verify import verify

pytestmark = pytest.mark.integration


def demo(folder: Path) -> str:
    command = [sys.executable, "-m", "aigc", "demo", "--smoke"]
    command += ["--minutes", "0.1", "--count", "1000"]
    environment = os.environ | {"AIGC_STORE": str(folder / "store")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


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
