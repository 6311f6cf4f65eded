"""What every request passes: a number, a key, a place; and what is written down when it leaves."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aigc.endpoint import access_log, errors
from aigc.endpoint.access_log import GIVEN_ID, Seen
from aigc.endpoint.errors import ClientGoneError
from aigc.endpoint.metrics import Metrics
from aigc.endpoint.settings import EndpointSettings
from aigc.errors import AigcError
from aigc.service import signing
from aigc.service.errors import OverloadedError
from aigc.service.keys import LOOKS_LIKE_A_KEY, KeyRing

Handler = Callable[[Request], Awaitable[Response]]

SEEN = "aigc.seen"
"""Where a request's `Seen` stands in its ASGI scope."""

_OPEN = ("/healthz", "/readyz", "/", "/favicon.ico", "/docs", "/openapi.json")
_OPEN_FOLDER = "/studio/"
"""Pages and the document hold nothing but what anyone can install; what they show they must ask for
with a key."""

_SCOPES = (
    ("/v1/models", None),
    ("/v1/sets", "batch"),
    ("/v1/verify", "verify"),
    ("/v1/content_provenance_checks", "verify"),
    ("/v1/", "generate"),
    ("/metrics", "admin"),
)
"""What a key must be allowed, by the first beginning that fits; None is any key."""

_ROUTES = (
    *("/v1/images/generations", "/v1/images/variations", "/v1/images/edits", "/v1/latents/walk"),
    *("/v1/verify", "/v1/content_provenance_checks"),
    *("/v1/models", "/v1/sets", "/healthz", "/readyz", "/metrics", "/", "/docs", "/openapi.json"),
)
_MADE = ("/v1/images/", "/v1/items/", "/v1/latents/")
"""What is made: the calls that a replica is busy with."""
_FOLDERS = ("/v1/models/", "/v1/images/", "/v1/items/", "/v1/sets/", "/studio/")
_SIGNED = ("/v1/images/", "/v1/items/")
"""Whose addresses may be signed."""
_GONE = 499
"""The client left before the answer: nginx's number for it, in the log and metrics only."""


class Admission:
    """ASGI around the whole application.

    `direct` handlers, by method and path, are called without its router and its middleware: these
    cost as much as everything else that is done in Python for a small picture.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: EndpointSettings,
        metrics: Metrics,
        keys: KeyRing | None,
        direct: Mapping[tuple[str, str], Handler],
    ) -> None:
        self.app, self._direct = app, direct
        self._ids = itertools.count()
        self._origin = secrets.token_hex(5)
        self._settings, self._metrics, self._keys = settings, metrics, keys
        self._in_flight = {True: 0, False: 0}
        """Requests for pictures, and others."""
        metrics.in_flight.set_function(lambda: sum(self._in_flight.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        seen = Seen(self._request_id(headers), scope["method"], scope["path"])
        scope[SEEN] = seen
        pictures = seen.path.startswith(_MADE)
        self._in_flight[pictures] += 1
        try:
            noting = _noting(send, seen, self._settings.adds_id)
            await self._answer(scope, receive, noting, headers)
        finally:
            self._in_flight[pictures] -= 1
            took_s = time.perf_counter() - seen.started
            self._metrics.answered(route_of(seen.path), seen.status or _GONE, took_s)
            if self._settings.access_log:
                seen.status = seen.status or _GONE
                access_log.write(seen, took_s)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        seen: Seen = scope[SEEN]
        deadline = asyncio.timeout(self._settings.request_s)
        try:
            async with deadline:
                self._admit(scope, headers)
                handler = self._direct.get((seen.method, seen.path))
                if handler is None:
                    await self.app(scope, receive, send)
                else:
                    response = await handler(Request(scope, receive, send))
                    await response(scope, receive, send)
        except AigcError as error:
            await errors.response(error)(scope, receive, send)
        except ClientGoneError:
            return
        except Exception:
            if deadline.expired():
                await self._too_late(scope, receive, send)
                return
            logging.getLogger("aigc").exception("request %s failed", seen.id)
            if not seen.status:
                await errors.unexpected()(scope, receive, send)

    async def _too_late(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope[SEEN].status:  # what has begun is cut off
            return
        said = f"the request took longer than {self._settings.request_s:g} s; try again"
        error = OverloadedError(said, retry_after_s=1, code="timeout")
        await errors.response(error)(scope, receive, send)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get("x-request-id", "")
        if GIVEN_ID.fullmatch(given) and not LOOKS_LIKE_A_KEY.search(given):
            return given
        return f"{self._origin}{next(self._ids):06x}"

    def _admit(self, scope: Scope, headers: Headers) -> None:
        """Raises OverloadedError, KeyRefusedError."""
        seen: Seen = scope[SEEN]
        path = seen.path
        if path in _OPEN or path.startswith(_OPEN_FOLDER):
            return
        pictures, settings = path.startswith(_MADE), self._settings
        most = settings.max_in_flight if pictures else settings.max_others
        if self._in_flight[pictures] > most:
            raise OverloadedError(
                "too many requests at a time; try again in a second",
                retry_after_s=1,
                code="overloaded",
            )
        if self._keys is not None:
            seen.signed = _is_signed(scope, headers)
            if seen.signed:
                seen.key = signing.check(self._keys, path, scope["query_string"])
            else:
                seen.key = self._keys.check(_presented(headers), _needed(path))


def route_of(path: str) -> str:
    """`path` without what varies, so that metrics stay few."""
    if path in _ROUTES:
        return path
    return next((f"{folder}*" for folder in _FOLDERS if path.startswith(folder)), "other")


def _needed(path: str) -> str | None:
    return next((needed for start, needed in _SCOPES if path.startswith(start)), None)


def _is_signed(scope: Scope, headers: Headers) -> bool:
    """Whether an item is asked for by an address that says itself who may open it."""
    return (
        scope["method"] in ("GET", "HEAD")
        and scope["path"].startswith(_SIGNED)
        and "authorization" not in headers
        and signing.is_signed(scope["query_string"])
    )


def _presented(headers: Headers) -> str | None:
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else None


def _noting(send: Send, seen: Seen, adds_id: bool) -> Send:
    """`send` that keeps count, and adds the request's id where nobody else does."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            if adds_id:
                added = (b"x-request-id", seen.id.encode())
                message = {**message, "headers": [*message.get("headers", ()), added]}
        elif message["type"] == "http.response.body":
            seen.sent_bytes += len(message.get("body", b""))
        await send(message)

    return noting
