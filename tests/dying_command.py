"""`aigc` that kills itself, as kill -9 would, once its job has written certain files.

It looks between two steps of its driver, so no job is over before it is killed, as one may be that
is watched from another process.
"""

from __future__ import annotations

import os
import signal
import sys
from fnmatch import fnmatch
from multiprocessing import forkserver
from typing import Any

from aigc import cli, storage
from aigc.execution import forking
from aigc.execution.job_run import JobRun
from tests import forked


def died(out: str, pattern: str, count: int, *words: str) -> bool:
    """Run `aigc words…`, which dies at the sight of `count` files of `out` whose keys match
    `pattern`; returns whether it did."""
    command = forked.process(_run, (out, pattern, count, words), daemon=False)
    with forking.without_main():
        command.start()
    command.join()
    return command.exitcode == -signal.SIGKILL


def _run(out: str, pattern: str, count: int, words: tuple[str, ...]) -> None:
    stop = JobRun.stop

    def dying(job_run: JobRun) -> str | None:
        found = [entry for entry in storage.listing(out) if fnmatch(entry.key, pattern)]
        if len(found) >= count:
            os.kill(os.getpid(), signal.SIGKILL)
        return stop(job_run)

    _replace(JobRun, "stop", dying)
    for server in (forkserver, forkserver._forkserver):  # it forks this process's workers, too
        _replace(server, "ensure_running", lambda: None)
    _replace(forking.context, "Process", forked.process)
    sys.argv = ["aigc", *words]
    cli.main()


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)
