"""Writing to the audit log, and reading it again."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aigc import storage
from aigc.audit import entries, local_file, objects
from aigc.audit.entries import Head, Problem, Verdict
from aigc.audit.spec import FAILURE_VARIABLE, LOG_VARIABLE, Audit
from aigc.errors import AuditError, SpecError, StorageError

ACCOUNT_VARIABLE = "AIGC_ACCOUNT"
_POLICIES = ("stop", "continue")


@dataclass(frozen=True)
class AuditLog:
    """The log at `place`, a path or s3:// prefix; None writes nothing. May be pickled."""

    place: str | None = None
    on_failure: Literal["stop", "continue"] = "stop"
    who: str = field(default_factory=lambda: account())  # noqa: PLW0108 - defined below

    def record(self, what: str, who: str | None = None, **about: Any) -> None:
        """Add one line; it is on the disk when this returns. `who` is by default the account of
        this process.

        Raises:
            AuditError: it cannot be written, and the policy is `stop`.
        """
        self.record_all(what, [about], who)

    def record_all(
        self, what: str, each: Sequence[Mapping[str, Any]], who: str | None = None
    ) -> None:
        """Add a line for each of `each`, as `record`."""
        if self.place is None or not each:
            return
        with self._failures(what):
            lines = [_follower(what, who or self.who, about) for about in each]
            if storage.is_s3(self.place):
                objects.append(self.place, lines)
            else:
                local_file.append(Path(self.place), lines)

    @contextlib.contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, StorageError, AuditError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            named = reason if str(self.place) in reason else f"{self.place}: {reason}"
            if self.on_failure == "stop":
                raise AuditError(
                    f"audit log {named}; {what} cannot be logged, so it is not done"
                ) from None
            logging.getLogger("aigc").warning("audit log %s; %s is not logged", named, what)


def open_log(settings: Audit | None = None) -> AuditLog:
    """The log of `settings`, else of the environment.

    Raises:
        SpecError: AIGC_AUDIT_ON_FAILURE is neither stop nor continue.
    """
    given = settings or Audit()
    place = given.log or os.environ.get(LOG_VARIABLE, "").strip() or None
    policy = given.on_failure or os.environ.get(FAILURE_VARIABLE, "").strip() or "stop"
    if policy not in _POLICIES:
        raise SpecError(f"{FAILURE_VARIABLE} = {policy!r}: expected {' or '.join(_POLICIES)}")
    return AuditLog(place and storage.absolute(place), policy)  # type: ignore[arg-type]


def account() -> str:
    """`AIGC_ACCOUNT`, else the user of this process, at this machine's name."""
    if named := os.environ.get(ACCOUNT_VARIABLE, "").strip():
        return named[:200]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def verify(place: str, kept: Head | None = None) -> Verdict:
    """Check the chain of the log at `place`, and its end by `FILE.head` and by a `kept` head.

    Raises:
        StorageError: there is no log, or it cannot be read.
    """
    if storage.is_s3(place):
        verdict = entries.check(objects.read(place), kept)
        if not verdict.lines:
            raise StorageError(f"{place}: no audit log here")
        return verdict
    path = Path(place)
    try:
        verdict = entries.check(local_file.read(path), local_file.kept_head(path))
        again = entries.check(local_file.read(path), kept) if kept else verdict
    except OSError as error:
        raise StorageError(f"{place}: {error.strerror}") from None
    found = list(dict.fromkeys([*verdict.problems, *again.problems]))
    return Verdict(verdict.lines, verdict.head, found + _unfinished(path, verdict))


def _unfinished(path: Path, verdict: Verdict) -> list[Problem]:
    """More lines than one after FILE.head were not written by us."""
    kept = local_file.kept_head(path)
    if kept is None:
        return [Problem(0, f"{path.name}.head is missing")] if verdict.lines else []
    after = verdict.head.number - kept.number
    return [Problem(0, f"{after} lines follow the last one that was written")] if after > 1 else []


def _follower(what: str, who: str, about: Mapping[str, Any]) -> local_file.Follow:
    return lambda head: entries.written(head, what, who, about)
