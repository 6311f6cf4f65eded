"""Imports of the server that forks workers, done once for all of them."""

import atexit
import shutil
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from aigc.execution.loading import loading


def _remove_socket_folder() -> None:
    """Remove the folder of the server's socket. A driver that is killed leaves it behind; the
    server ends after its driver and can always remove it."""
    server: Any = forkserver._forkserver
    if server._forkserver_address:
        shutil.rmtree(Path(server._forkserver_address).parent, ignore_errors=True)


atexit.register(_remove_socket_folder)

with loading():
    import aigc.execution.shard_work  # noqa: F401
