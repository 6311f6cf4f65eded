"""`aigc` that kills itself, as kill -9 would, once its job has written certain files.

    python -m tests.dying_command OUT PATTERN COUNT generate …

It looks between two steps of its driver, so no job is over before it is killed, as one may be that
is watched from another process.
"""

from __future__ import annotations

import os
import signal
import sys
from fnmatch import fnmatch

from aigc import cli, storage
from aigc.execution.job_run import JobRun


def command(out: str, pattern: str, count: int, *words: str) -> list[str]:
    """Dies at the sight of `count` files of `out` whose keys match `pattern`."""
    return [sys.executable, "-m", "tests.dying_command", out, pattern, str(count), *words]


def main(out: str, pattern: str, count: str, *words: str) -> None:
    stop = JobRun.stop

    def dying(job_run: JobRun) -> str | None:
        found = [entry for entry in storage.listing(out) if fnmatch(entry.key, pattern)]
        if len(found) >= int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return stop(job_run)

    JobRun.stop = dying  # type: ignore
    sys.argv = ["aigc", *words]
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
