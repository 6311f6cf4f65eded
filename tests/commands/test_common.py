from __future__ import annotations

import os
import signal
import time

import pytest
import typer

from aigc.commands import common
from aigc.commands.common import exit_code


def app(main) -> typer.Typer:
    found = typer.Typer()
    found.command()(main)
    return found


def test_sigterm_cleans_up_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("still here")
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    assert exit_code(app(main), []) == 143
    assert cleaned
    said = "aigc: ended by SIGTERM; run the same command again to continue\n"
    assert capsys.readouterr().err == said
    assert signal.getsignal(signal.SIGTERM) is before


def test_rays_own_handler_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise SystemExit(signal.SIGTERM)

    assert exit_code(app(main), []) == 143
    assert "run the same command again to continue" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(app(lambda: os.kill(os.getpid(), signal.SIGINT)), []) == 130
    assert capsys.readouterr().err == "aigc: interrupted; run the same command again to continue\n"


def test_a_line_of_progress_has_what_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    report = common._lines("make", "items")
    for done in (0, 20, 40):
        clock[0] = 100.0 + done
        report(done, 40, workers=1)
    assert capsys.readouterr().err.splitlines() == [
        "make: 0/40 items, workers 1",
        "make: 20/40 items, 1/s, 20 s left, workers 1",
        "make: 40/40 items, 1/s, workers 1",
    ]
