"""The calls that make pictures."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aigc.endpoint import answers
from aigc.endpoint.access_log import Seen
from aigc.endpoint.gate import SEEN
from aigc.endpoint.idempotency import Idempotency, repeatable
from aigc.endpoint.reading import image_form, json_body
from aigc.endpoint.settings import EndpointSettings
from aigc.service import orders, signing
from aigc.service.bodies import Edit, Variation, Walk, parse_form, parse_json
from aigc.service.errors import BadRequestError, OverloadedError
from aigc.service.keys import Key
from aigc.service.orders import Order
from aigc.service.quota import Ledger
from aigc.service.service import Service
from aigc.specs.requests import Asked, Generation

_NOBODY = "nobody"
_NAME = "idempotency-key"
_JSON = "application/json"

Take = Callable[[bytes | None], Awaitable[Order]]
"""Makes an order and charges it; the bytes stand for the seed of a request that names none."""
Read = Callable[[], Awaitable[bytes]]


class Images:
    """Handlers of /v1/images/… and /v1/latents/walk."""

    def __init__(self, service: Service, settings: EndpointSettings, ledger: Ledger) -> None:
        self._service, self._settings, self._ledger = service, settings, ledger
        self._once = Idempotency(settings.idempotency_s, settings.idempotency_bytes)

    async def generations(self, request: Request) -> Response:
        body = await json_body(request, self._settings)
        asked = parse_json(Generation, body)

        async def take(seed: bytes | None) -> Order:
            order = await self._service.generation(asked, seed)
            await self._charge(request, order)
            return order

        return await self._reply(request, asked, "image_generation", body, take)

    async def variations(self, request: Request) -> Response:
        return await self._from_picture(request, Variation, "image_variation")

    async def edits(self, request: Request) -> Response:
        return await self._from_picture(request, Edit, "image_edit")

    async def walk(self, request: Request) -> Response:
        body = await json_body(request, self._settings)
        asked = parse_json(Walk, body)

        async def take(seed: bytes | None) -> Order:
            order = await self._service.walk(asked)
            await self._charge(request, order)
            return order

        return await self._reply(request, None, "image_walk", body, take)

    async def _from_picture(self, request: Request, kind: type[Variation], event: str) -> Response:
        """Who is refused is refused before his picture is looked at, or even received."""
        self._service.batcher.require_room()
        async with image_form(request, self._settings) as form:
            asked = parse_form(kind, form.fields)
            if asked.response_format == "url":
                raise BadRequestError(
                    "response_format: these pictures have no permanent address; use b64_json",
                    param="response_format",
                    code="not_supported",
                )
            named = _NAME in request.headers
            sent = event.encode() + await form.digest() if named else b""

            async def take(seed: bytes | None) -> Order:
                return await self._varied(request, asked, form.read, seed)

            return await self._reply(request, asked, event, sent, take)

    async def _varied(
        self, request: Request, asked: Variation, read: Read, seed: bytes | None
    ) -> Order:
        """Charged before its picture is read; what turns out to be none costs a request alone."""
        key, charged = request.scope[SEEN].key, 0

        async def admit(order: Order) -> None:
            nonlocal charged
            await self._charge(request, order)
            charged = order.work.count

        try:
            return await self._service.variations(asked, read, admit, seed)
        except BadRequestError:
            if charged:
                await charge(self._ledger, key, -charged)
            raise

    async def _reply(
        self, request: Request, asked: Asked | None, event: str, sent: bytes, take: Take
    ) -> Response:
        """`sent` is all that tells one request from another."""
        name = request.headers.get(_NAME)
        seed = None if name is None else repeatable(_caller(request), name, sent)
        if name is None or (asked is not None and asked.stream):
            return await self._answer(request, asked, await take(seed), event)

        ignored = asked.ignored if asked is not None else []

        async def make() -> bytes:
            order = await take(seed)
            with self._service.ticket(order) as ticket:
                files = await ticket.files()
                return answers.images(order, files, self._addresses(request, asked), ignored)

        wait = functools.partial(answers.until, request)
        data, replayed = await self._once.once(_caller(request), name, sent, make, wait)
        return Response(
            data, media_type=_JSON, headers={"idempotent-replayed": "true"} if replayed else None
        )

    async def _answer(
        self, request: Request, asked: Asked | None, order: Order, event: str
    ) -> Response:
        if asked is not None and asked.stream:
            ticket = self._service.batcher.enter(order.work)
            leave = self._service.batcher.leave
            return StreamingResponse(
                answers.events(order, ticket, event, leave, asked.ignored),
                media_type="text/event-stream",
                headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            )
        with self._service.ticket(order) as ticket:
            files = await answers.made(request, ticket)
        ignored = asked.ignored if asked is not None else []
        data = answers.images(order, files, self._addresses(request, asked), ignored)
        return Response(data, media_type=_JSON)

    async def _charge(self, request: Request, order: Order) -> None:
        seen: Seen = request.scope[SEEN]
        seen.model, seen.images = order.work.model.version.ref, order.work.count
        self._service.batcher.require_room(order.work)  # who is refused is not charged
        await charge(self._ledger, seen.key, order.work.count)

    def _addresses(self, request: Request, asked: Asked | None) -> answers.Address | None:
        if asked is None or asked.response_format != "url":
            return None
        seen: Seen = request.scope[SEEN]
        expires = int(time.time() + self._settings.url_lifetime_s)
        base = self._settings.public_url or str(request.base_url)
        return functools.partial(_address, base, seen.key, expires)


async def charge(ledger: Ledger, key: Key | None, images: int) -> None:
    """Raises OverloadedError when the key's quota is used up."""
    wait_s = None if key is None else await ledger.take(key, images)
    if wait_s is not None:
        raise OverloadedError(
            f"this API key's quota is used up; try again in {wait_s:.0f} s",
            retry_after_s=wait_s,
            code="rate_limit_exceeded",
            limited=True,
        )


def _address(base: str, key: Key | None, expires: int, order: Order, at: int) -> str:
    """Signed where a key is needed: what shows a picture can rarely send one."""
    path = orders.address(order, at)
    return base.rstrip("/") + (signing.sign(path, key, expires) if key else path)


def _caller(request: Request) -> str:
    seen: Seen = request.scope[SEEN]
    return seen.key.id if seen.key else _NOBODY
