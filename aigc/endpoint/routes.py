"""The calls that make pictures."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aigc.endpoint import answers
from aigc.endpoint.access_log import Seen
from aigc.endpoint.admission import SEEN
from aigc.endpoint.charges import Charge
from aigc.endpoint.idempotency import Idempotency, repeatable
from aigc.endpoint.reading import image_form, json_body
from aigc.endpoint.refusals import log_refusal, refusals_logged
from aigc.endpoint.settings import EndpointSettings
from aigc.service import render_requests, signing
from aigc.service.bodies import Edit, Variation, Walk, parse_form, parse_json
from aigc.service.errors import BadRequestError
from aigc.service.keys import Key
from aigc.service.quota import RateLimiter
from aigc.service.render_requests import RenderRequest
from aigc.service.service import Service
from aigc.specs.requests import Generation, RenderOptions

_NOBODY = "nobody"
_NAME = "idempotency-key"
_JSON = "application/json"

Take = Callable[[Charge, bytes | None], Awaitable[RenderRequest]]
"""Makes a render request and charges it; the bytes are the seed where the body names none."""


class Images:
    """Handlers of /v1/images/… and /v1/latents/walk."""

    def __init__(
        self, service: Service, settings: EndpointSettings, rate_limiter: RateLimiter
    ) -> None:
        self._service, self._settings, self._rate_limiter = service, settings, rate_limiter
        self._once = Idempotency(settings.idempotency_s, settings.idempotency_bytes)

    async def generations(self, request: Request) -> Response:
        body = await json_body(request, self._settings)
        asked = parse_json(Generation, body)

        async def take(charge: Charge, seed: bytes | None) -> RenderRequest:
            render = await self._service.generation(asked, seed)
            await self._charge(request, charge, render)
            return render

        return await self._reply(request, asked, "image_generation", body, take)

    async def variations(self, request: Request) -> Response:
        return await self._from_picture(request, Variation, "image_variation")

    async def edits(self, request: Request) -> Response:
        return await self._from_picture(request, Edit, "image_edit")

    async def walk(self, request: Request) -> Response:
        body = await json_body(request, self._settings)
        asked = parse_json(Walk, body)

        async def take(charge: Charge, seed: bytes | None) -> RenderRequest:
            render = await self._service.walk(asked)
            await self._charge(request, charge, render, "steps")
            return render

        return await self._reply(request, None, "image_walk", body, take)

    async def _from_picture(self, request: Request, kind: type[Variation], event: str) -> Response:
        """Who is refused is refused before his picture is looked at, or even received."""
        self._service.batcher.require_capacity()
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

            async def take(charge: Charge, seed: bytes | None) -> RenderRequest:
                """Charged before its picture is read; a wrong one costs a request alone."""
                admit = functools.partial(self._charge, request, charge)
                return await self._service.variations(asked, form.read, admit, seed)

            return await self._reply(request, asked, event, sent, take)

    async def _reply(
        self, request: Request, asked: RenderOptions | None, event: str, sent: bytes, take: Take
    ) -> Response:
        """`sent` is all that tells one request from another."""
        name = request.headers.get(_NAME)
        seed = None if name is None else repeatable(_caller(request), name, sent)
        charge = Charge(self._rate_limiter, request.scope[SEEN].key)
        audit = self._settings.audit
        async with refusals_logged(audit, request), charge.refunded_on_failure():
            if name is None or (asked is not None and asked.stream):
                render = await take(charge, seed)
                return await self._answer(request, asked, render, charge, event)
            make = functools.partial(self._made, request, asked, charge, take, seed)
            wait = functools.partial(answers.until, request)
            data, replayed = await self._once.once(_caller(request), name, sent, make, wait)
        return Response(
            data, media_type=_JSON, headers={"idempotent-replayed": "true"} if replayed else None
        )

    async def _made(
        self,
        request: Request,
        asked: RenderOptions | None,
        charge: Charge,
        take: Take,
        seed: bytes | None,
    ) -> bytes:
        """For all who sent the same; it fails for them also where the first has hung up."""
        try:
            render = await take(charge, seed)
            with self._service.queued(render) as queued:
                files = await queued.files()
        except Exception as error:
            await charge.refund(request=not isinstance(error, BadRequestError))
            raise
        return self._body(request, asked, render, charge, files)

    async def _answer(
        self,
        request: Request,
        asked: RenderOptions | None,
        render: RenderRequest,
        charge: Charge,
        event: str,
    ) -> Response:
        if asked is not None and asked.stream:
            queued = self._service.batcher.enter(render.job)
            leave = self._service.batcher.leave
            refused = functools.partial(log_refusal, self._settings.audit, request)
            return StreamingResponse(
                answers.events(render, queued, event, leave, charge, refused, asked.ignored),
                media_type="text/event-stream",
                headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            )
        with self._service.queued(render) as queued:
            files = await answers.made(request, queued)
        return Response(self._body(request, asked, render, charge, files), media_type=_JSON)

    def _body(
        self,
        request: Request,
        asked: RenderOptions | None,
        render: RenderRequest,
        charge: Charge,
        files: Sequence[bytes],
    ) -> bytes:
        charge.deliver(len(files))
        ignored = asked.ignored if asked is not None else []
        return answers.images(render, files, self._addresses(request, asked), ignored)

    async def _charge(
        self, request: Request, charge: Charge, render: RenderRequest, param: str = "n"
    ) -> None:
        seen: Seen = request.scope[SEEN]
        seen.model, seen.images = render.job.model.version.ref, render.job.count
        self._service.batcher.require_capacity(render.job)  # who is refused is not charged
        await charge.take(render.job.count, param)

    def _addresses(self, request: Request, asked: RenderOptions | None) -> answers.Address | None:
        if asked is None or asked.response_format != "url":
            return None
        seen: Seen = request.scope[SEEN]
        expires = int(time.time() + self._settings.url_lifetime_s)
        base = self._settings.public_url or str(request.base_url)
        return functools.partial(_address, base, seen.key, expires)


def _address(base: str, key: Key | None, expires: int, render: RenderRequest, at: int) -> str:
    """Signed where a key is needed: what shows a picture can rarely send one."""
    path = render_requests.address(render, at)
    return base.rstrip("/") + (signing.sign(path, key, expires) if key else path)


def _caller(request: Request) -> str:
    seen: Seen = request.scope[SEEN]
    return seen.key.id if seen.key else _NOBODY
