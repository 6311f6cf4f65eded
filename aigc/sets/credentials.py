"""The Content Credentials of stored items, checked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from aigc.job.plan import Job
from aigc.provenance.extra import is_installed

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialReader

_local = threading.local()


def require_credential(job: Job, file: bytes, item_id: str) -> None:
    """Raises ValueError, with the reason, where `job` is signed and the credential of `file` does
    not hold or is that of another item. Nothing is checked without c2pa-python."""
    if job.provenance.credentials is None or not is_installed("c2pa"):
        return
    found = _reader().check(file)
    if found.standing not in ("trusted", "valid"):
        codes = ", ".join(found.problems) or "it has none"
        raise ValueError(f"its credential is {found.standing}: {codes}")
    if found.origin.get("item") != item_id:
        raise ValueError(f"its credential is that of item {found.origin.get('item')}")


def _reader() -> CredentialReader:
    """This thread's own: the library lets one thread at a time use a context."""
    from aigc.provenance.checking import CredentialReader  # noqa: PLC0415

    if not hasattr(_local, "reader"):
        _local.reader = CredentialReader()
    reader: CredentialReader = _local.reader
    return reader
