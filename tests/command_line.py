"""The command line, called in this process."""

from __future__ import annotations

import sys

import pytest

from aigc.cli import main


def aigc(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `aigc words…`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["aigc", *words])
        with pytest.raises(SystemExit) as left:
            main()
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err
