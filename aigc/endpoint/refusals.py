"""Requests that are refused for their content, in the audit log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from aigc.audit import AuditLog
from aigc.endpoint.access_log import Seen
from aigc.endpoint.admission import SEEN
from aigc.service.errors import ContentRefusedError

NOBODY = "anonymous"


@contextlib.asynccontextmanager
async def refusals_logged(audit: AuditLog, request: Request) -> AsyncIterator[None]:
    """A refusal leaves the block once it is in the log: which key, and what was refused.

    Raises:
        AuditError: in its place, where the log cannot be written and the policy is `stop`.
    """
    try:
        yield
    except ContentRefusedError as error:
        await log_refusal(audit, request, error)
        raise


async def log_refusal(audit: AuditLog, request: Request, error: ContentRefusedError) -> None:
    """Raises AuditError."""
    seen: Seen = request.scope[SEEN]
    who = NOBODY if seen.key is None else f"key {seen.key.id}"
    about = {"request": seen.id, "path": seen.path[:200], "model": seen.model}
    about |= {"field": error.param, "reason": str(error)}
    await asyncio.to_thread(audit.record, "request.refused", who, **about)
