"""POST /v1/verify and OpenAI's POST /v1/content_provenance_checks: where a file comes from."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigc.endpoint.admission import SEEN
from aigc.endpoint.charges import Charge
from aigc.endpoint.reading import sent_file
from aigc.endpoint.settings import EndpointSettings
from aigc.provenance.trace import Trace
from aigc.service.errors import OverloadedError
from aigc.service.quota import RateLimiter
from aigc.service.verification import Verifier
from aigc.types import Json

_THREADS = 2
"""Files looked into at a time; each may take 350 MB of memory."""
_MOST_WAITING = 16
"""Files that are received or wait; beyond a megabyte each is on disk."""

Told = Callable[[Trace, bytes], Json]


class Verification:
    """Handlers over a `Verifier`, which works on threads of its own."""

    def __init__(self, settings: EndpointSettings, rate_limiter: RateLimiter) -> None:
        """Raises as `Verifier`."""
        self._verifier = Verifier(settings.trace_indexes, settings.trust_roots)
        self._settings, self._rate_limiter = settings, rate_limiter
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")
        self._waiting = 0

    def routes(self) -> list[Route]:
        return [
            Route("/v1/verify", self.verify, methods=["POST"]),
            Route("/v1/content_provenance_checks", self.check, methods=["POST"]),
        ]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def verify(self, request: Request) -> Response:
        """All evidence on a file."""
        return await self._answer(request, _verification)

    async def check(self, request: Request) -> Response:
        """What the file's Content Credentials are worth, in OpenAI's shape."""
        self._verifier.require_credentials()
        return await self._answer(request, _provenance_check)

    async def _answer(self, request: Request, told: Told) -> Response:
        charge = Charge(self._rate_limiter, request.scope[SEEN].key)
        with self._place():
            async with (
                sent_file(request, self._settings) as sent,
                charge.refunded_on_failure(),
            ):
                await charge.take(0)
                file = await sent.read()
                found = await self._run(file, sent.filename or "")
                charge.deliver(0)
        answer = json.dumps(told(found, file), allow_nan=False)
        return Response(
            answer, media_type="application/json", headers={"cache-control": "no-store"}
        )

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Taken before a file is received, so that files never fill memory or disk."""
        if self._waiting >= _THREADS + _MOST_WAITING:
            raise OverloadedError(
                "too many files are being verified; try again in 1 s",
                retry_after_s=1,
                code="overloaded",
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _run(self, file: bytes, name: str) -> Trace:
        future = self._threads.submit(self._verifier, file, name)
        return await asyncio.wrap_future(future)


def _verification(found: Trace, file: bytes) -> Json:
    said = found.to_json()
    digest = hashlib.sha256(file).hexdigest()
    return {"object": "verification", "created_at": int(time.time()), "sha256": digest, **said}


def _provenance_check(found: Trace, file: bytes) -> Json:
    return {
        "object": "content_provenance_check",
        "created_at": int(time.time()),
        "results": found.results(),
    }
