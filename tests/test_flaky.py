"""`make test` runs again what failed, and names what then passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = """
from pathlib import Path

def test_passes_in_the_end():
    before = Path(__file__).with_name("ran").exists()
    Path(__file__).with_name("ran").touch()
    assert before

def test_is_broken():
    assert Path(__file__).with_name("mended").exists()

def test_passes():
    pass
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "tests.flaky", "-p", "no:cacheprovider"]
    command += ["-c", "/dev/null", "--rootdir", str(folder), *options, str(folder / "test_some.py")]
    quick = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=ROOT, env=quick, capture_output=True, text=True, check=False)


def test_what_passes_when_run_again_is_named_at_the_very_end(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    failures = tmp_path / "noted/failures"
    first = run(tmp_path, "-p", "xdist", "-n", "2", "--note-failures", str(failures))
    assert first.returncode == 1
    noted = failures.read_text().split()
    assert sorted(name.rpartition("::")[2] for name in noted) == [
        "test_is_broken",
        "test_passes_in_the_end",
    ]
    again = run(tmp_path, "--failed-before", str(failures))
    assert again.returncode == 1
    assert "1 failed, 1 passed, 1 deselected" in again.stdout
    (tmp_path / "mended").touch()
    (tmp_path / "ran").unlink()
    run(tmp_path, "--note-failures", str(failures))
    mended = run(tmp_path, "--failed-before", str(failures))
    assert mended.returncode == 0
    last = mended.stdout.splitlines()[-1]
    assert last == "FLAKY test_some.py::test_passes_in_the_end"


def test_make_test_ends_well_where_all_pass_when_run_again() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    assert "--note-failures $(FAILURES)" in recipe
    assert "--failed-before $(FAILURES)" in recipe
