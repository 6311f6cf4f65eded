from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from aigc.distributed.session_end import nothing_left, scratch_folder
from tests.waiting import wait_until

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
_DRIVER = f"""
import subprocess, sys, time
from aigc.distributed.session_end import nothing_left, scratch_folder
with scratch_folder("aigc-test-") as folder, nothing_left():
    left = subprocess.Popen({SLEEPS!r}, start_new_session=True)
    print(left.pid, folder, flush=True)
    time.sleep(600)
"""


def test_what_a_session_started_ends_with_it() -> None:
    with nothing_left():
        left = subprocess.Popen(SLEEPS, start_new_session=True)
    assert left.wait(timeout=60) == -signal.SIGKILL


def test_what_another_session_started_goes_on() -> None:
    with nothing_left():
        other = subprocess.Popen(SLEEPS, start_new_session=True)
        with nothing_left():
            pass
        assert other.poll() is None
    assert other.wait(timeout=60) == -signal.SIGKILL


def test_it_ends_also_when_the_driver_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _DRIVER], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        pid, folder = it.stdout.readline().split()
        left = psutil.Process(int(pid))
        assert Path(folder).is_dir()
        it.kill()
    wait_until(lambda: not alive(left) and not Path(folder).exists())


def alive(process: psutil.Process) -> bool:
    """A zombie is dead, though nobody has asked how it ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_folder_is_removed_without_a_session_too() -> None:
    with scratch_folder("aigc-test-") as folder:
        assert list(folder.iterdir()) == []
    assert not folder.exists()
