"""One JSON line a request: who by key id, what, how long. Never a key, never a query."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from aigc.service.keys import Key, redact

LOGGER = "aigc.access"
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a client may number its request with; what looks like a key is none."""

_MAX_PATH = 200
_FILE_BYTES, _FILES = 100 * 2**20, 5
_LOOK_EVERY = 1000


@dataclass
class Seen:
    """What is known of a request so far."""

    id: str
    method: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    key: Key | None = None
    signed: bool = False
    """Whether it came by an address signed in the key's name."""
    model: str | None = None
    images: int = 0
    status: int = 0
    sent_bytes: int = 0


class _File(RotatingFileHandler):
    """Looks at the size now and then: looking costs more than writing a line."""

    _since = 0

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        self._since += 1
        return self._since % _LOOK_EVERY == 0 and bool(super().shouldRollover(record))


def prepare(file: str | None) -> None:
    """Lines go to `file`, or to stdout, unless the program has given the logger handlers."""
    logger = logging.getLogger(LOGGER)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout) if file is None else _opened(file)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _opened(file: str) -> logging.Handler:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    return _File(file, maxBytes=_FILE_BYTES, backupCount=_FILES)


def write(seen: Seen, took_s: float) -> None:
    line = {
        "at": round(time.time(), 3),
        "id": seen.id,
        "key": None if seen.key is None else seen.key.id,
        "method": seen.method,
        "path": redact(seen.path[:_MAX_PATH]),
        "status": seen.status,
        "ms": round(took_s * 1000, 2),
        "bytes": seen.sent_bytes,
        "model": seen.model,
        "images": seen.images,
    }
    logging.getLogger(LOGGER).info(json.dumps(line))
