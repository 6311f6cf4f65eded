"""The command line, called in this process, or often in another one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, and its stderr."""

    code: int
    err: str


_EACH = """
import json, os, sys, tempfile
from aigc.cli import app
from aigc.commands.common import exit_code
for words in json.load(sys.stdin):
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        code = exit_code(app, words)
        file.seek(0)
        print(json.dumps({"code": code, "err": file.read().decode()}))
"""


def one_after_the_other(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], timeout_s: float = 120
) -> list[Ended]:
    """Commands that print nothing to stdout, in one process: its imports take seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _EACH],
        input=json.dumps(commands),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    return [Ended(**json.loads(line)) for line in done.stdout.splitlines()]
