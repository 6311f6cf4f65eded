"""The page as PDF, printed by a Chromium that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from aigc.errors import JobError, SpecError

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chrome-headless-shell",
    "microsoft-edge",
)
_TIMEOUT_S = 180


def find_browser() -> str:
    """Path of the first of `BROWSERS` on PATH. Raises SpecError where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SpecError(
            "pdf: no Chromium on PATH to print with; install one (apt-get install chromium), or "
            "open the HTML page in a browser and print it"
        )
    return found


def print_pdf(page: bytes, browser: str) -> bytes:
    """The HTML `page` as a PDF file. Raises JobError when `browser` fails."""
    with tempfile.TemporaryDirectory(prefix="aigc-pdf-") as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_bytes(page)
        command = [browser, *_options(folder), f"--print-to-pdf={target}", source.as_uri()]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_TIMEOUT_S, check=False, cwd=folder
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise JobError(f"pdf: {browser}: {_reason(error)}") from None
        if not target.exists():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise JobError(f"pdf: {browser} ended with {done.returncode}: {' '.join(last)[:200]}")
        return target.read_bytes()


def _options(folder: str) -> list[str]:
    """Without network, without a profile of the user; root needs a browser without a sandbox."""
    options = [
        "--headless",
        "--disable-gpu",
        "--no-pdf-header-footer",
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder}/profile",
    ]
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*options, "--no-sandbox"] if is_root else options


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"did not finish within {_TIMEOUT_S} s"
    return getattr(error, "strerror", None) or str(error)
