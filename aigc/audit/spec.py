"""Where the audit log is, and what follows when it cannot be written."""

from __future__ import annotations

from typing import Literal

from aigc.strict import Location, Spec

LOG_VARIABLE = "AIGC_AUDIT_LOG"
FAILURE_VARIABLE = "AIGC_AUDIT_ON_FAILURE"


class Audit(Spec):
    """A log of refusals and releases, in JSON Lines that each hold the hash of the one before."""

    log: Location | None = None
    """File that lines are appended to, or an s3:// prefix, where each line is an object of its own.
    Default: AIGC_AUDIT_LOG of the environment; without it nothing is logged."""
    on_failure: Literal["stop", "continue"] | None = None
    """When the log cannot be written, as on a full disk: `stop` the work that should have been
    logged, or `continue` with a warning. Default: AIGC_AUDIT_ON_FAILURE, else stop."""
