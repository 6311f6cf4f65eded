"""Writing to stdout and stderr also where they are an ASCII terminal, a full device or closed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys

_CANNOT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}


def accept_any_text() -> None:
    """Characters that the encoding of stdout or stderr lacks are written as `\\u2192`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def can_encode(text: str) -> bool:
    """Whether stdout takes `text` as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_terminal() -> bool:
    """Whether stdout is a terminal; it may be closed."""
    return sys.stdout is not None and sys.stdout.isatty()


def unwritten(raised: OSError | None = None) -> OSError | None:
    """The error with which stdout refused what was printed; None if it took everything.

    `raised` is an error of unknown source. Refused output is dropped, so that the interpreter does
    not report it once more when it ends.
    """
    found = None
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        found = error
    except ValueError:  # closed
        return None
    if found is None and raised is not None:
        unnamed = raised.filename is None and raised.errno in _CANNOT
        found = raised if unnamed else None
    if found is not None:
        _drop()
    return found


def _drop() -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
