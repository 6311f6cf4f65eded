"""`make test` runs again what failed, and names what then passes."""

from __future__ import annotations

import os
import shutil
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


SETTINGS = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'


def project(folder: Path) -> None:
    """A project shaped as ours: no folder is named to pytest, and a conftest loads the plugin."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "tests").mkdir()
    (folder / "tests/conftest.py").write_text('pytest_plugins = ["tests.flaky"]\n')
    shutil.copy(ROOT / "tests/flaky.py", folder / "tests")
    (folder / "tests/__init__.py").touch()
    (folder / "tests/test_some.py").write_text(TESTS)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    quick = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=quick, capture_output=True, text=True, check=False
    )


def test_what_passes_when_run_again_is_named_at_the_very_end(tmp_path: Path) -> None:
    project(tmp_path)
    failures = Path("noted/failures")
    first = run(tmp_path, "-p", "xdist", "-n", "2", f"--note-failures={failures}")
    assert first.returncode == 1
    noted = (tmp_path / failures).read_text().split()
    assert sorted(name.rpartition("::")[2] for name in noted) == [
        "test_is_broken",
        "test_passes_in_the_end",
    ]
    again = run(tmp_path, f"--failed-before={failures}")
    assert again.returncode == 1
    assert "1 failed, 1 passed, 1 deselected" in again.stdout
    (tmp_path / "tests/mended").touch()
    (tmp_path / "tests/ran").unlink()
    run(tmp_path, f"--note-failures={failures}")
    mended = run(tmp_path, f"--failed-before={failures}")
    assert mended.returncode == 0
    last = mended.stdout.splitlines()[-1]
    assert last == "FLAKY tests/test_some.py::test_passes_in_the_end"


def test_make_test_ends_well_where_all_pass_when_run_again() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    assert "--note-failures=$(FAILURES)" in recipe
    assert "--failed-before=$(FAILURES)" in recipe
