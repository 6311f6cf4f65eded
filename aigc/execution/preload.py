"""What the server that forks workers imports, once for all of them."""

import atexit
import shutil
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from aigc.execution.loading import loading


def _remove_socket_folder() -> None:
    """The folder of the server's socket. The driver removes it when it ends, but not when it is
    killed; the server, which ends after it, always can."""
    server: Any = forkserver._forkserver
    if server._forkserver_address:
        shutil.rmtree(Path(server._forkserver_address).parent, ignore_errors=True)


atexit.register(_remove_socket_folder)

with loading():
    import aigc.execution.shard_work  # noqa: F401
