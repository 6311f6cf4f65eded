"""Running `aigc` inside the test's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aigc.cli import app
from aigc.commands.common import exit_code


@dataclass
class Outcome:
    code: int
    out: str
    err: str


Aigc = Callable[..., Outcome]


@pytest.fixture
def aigc(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Aigc:
    """Runs `aigc` in an empty folder with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIGC_STORE", str(tmp_path / "store"))

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = exit_code(app, [str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call
