"""What measurements print."""

from __future__ import annotations

import time


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201
