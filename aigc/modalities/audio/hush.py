"""libmpg123 writes its remarks on odd MP3 files to the process's standard error, past Python."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = 2


class _Redirected:
    """While any thread is inside, file descriptor 2 leads nowhere: it belongs to the process, so it
    is put back when the last one leaves."""

    def __init__(self) -> None:
        self._lock, self._inside, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._kept = os.dup(_STDERR)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, _STDERR)
                os.close(nowhere)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                os.dup2(self._kept, _STDERR)
                os.close(self._kept)


_REDIRECTED = _Redirected()


@contextlib.contextmanager
def quiet_decoder(kind: str) -> Iterator[None]:
    """While entered, the decoder of the format `kind` is silent. Only MP3's is not anyway, so only
    then does what other threads write to standard error get lost."""
    with _REDIRECTED if kind == "mp3" else contextlib.nullcontext():
        yield
