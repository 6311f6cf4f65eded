"""The application: routes, who may use them, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aigc.audit import AuditLog
from aigc.endpoint import access_log, errors, metrics
from aigc.endpoint.admission import Admission
from aigc.endpoint.document import document
from aigc.endpoint.items import Items
from aigc.endpoint.models import Models
from aigc.endpoint.routes import Images
from aigc.endpoint.sets import Sets
from aigc.endpoint.settings import EXPOSED, EndpointSettings
from aigc.endpoint.verify import Verification
from aigc.errors import AigcError
from aigc.service.keys import KeyRing
from aigc.service.quota import LocalRateLimiter, RateLimiter
from aigc.service.service import Service
from aigc.studio import routes as page_routes


def create_app(
    service: Service,
    settings: EndpointSettings | None = None,
    rate_limiter: RateLimiter | None = None,
) -> ASGIApp:
    """The application. It starts the service if nobody has, and closes it at its end.

    Raises:
        SpecError, StorageError: the key file or an index to verify files with cannot be read.
    """
    chosen = settings or EndpointSettings()
    keys = KeyRing(chosen.keys) if chosen.keys else None
    found = metrics.Metrics(service, chosen.replica, chosen.proxy_metrics_port)
    if chosen.access_log:
        access_log.prepare(chosen.access_log_file)
    rate_limiter = rate_limiter or LocalRateLimiter()
    images, sets = Images(service, chosen, rate_limiter), Sets(chosen.sets)
    verification = Verification(chosen, rate_limiter)
    app = _App(
        routes=[
            *_calls(service, images, rate_limiter, chosen.audit),
            *sets.routes(),
            *verification.routes(),
            *_views(service, found, json.dumps(document(service.settings, secured=bool(keys)))),
            *page_routes(),
        ],
        lifespan=lambda app: _running(service, (sets, verification), keys, chosen),
        exception_handlers={AigcError: errors.on_error, HTTPException: errors.on_http},
    )
    direct = {("POST", "/v1/images/generations"): images.generations}
    gate = Admission(app, chosen, found, keys, direct)
    if not chosen.cors_origins:
        return gate
    return CORSMiddleware(
        gate,
        allow_origins=chosen.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],  # OpenAI's client sends a dozen of its own; there are no cookies
        expose_headers=EXPOSED,
    )


class _App(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        """Without Starlette's own answer to whatever has no handler, which is the gate's."""
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


def _calls(
    service: Service, images: Images, rate_limiter: RateLimiter, audit: AuditLog
) -> list[Route]:
    models, items = Models(service), Items(service, rate_limiter, audit)
    return [
        Route("/v1/images/generations", images.generations, methods=["POST"]),
        Route("/v1/images/variations", images.variations, methods=["POST"]),
        Route("/v1/images/edits", images.edits, methods=["POST"]),
        Route("/v1/latents/walk", images.walk, methods=["POST"]),
        Route("/v1/images/{ref}/{label:path}/{seed}/{file}", items.image),
        Route("/v1/items/{ref}/{condition:path}/{seed}/{file}", items.get),
        Route("/v1/models", models.all),
        Route("/v1/models/{id}", models.one),
    ]


def _views(service: Service, found: metrics.Metrics, openapi: str) -> list[Route]:
    async def ready(request: Request) -> Response:
        ok = service.ready
        return PlainTextResponse("ready" if ok else "not ready", 200 if ok else 503)

    async def scraped(request: Request) -> Response:
        text = await asyncio.to_thread(found.text)
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})

    async def described(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    return [
        Route("/healthz", _alive),
        Route("/readyz", ready),
        Route("/metrics", scraped),
        Route("/openapi.json", described),
    ]


async def _alive(request: Request) -> Response:
    return PlainTextResponse("alive")


@contextlib.asynccontextmanager
async def _running(
    service: Service,
    workers: tuple[Sets, Verification],
    keys: KeyRing | None,
    settings: EndpointSettings,
) -> AsyncIterator[None]:
    await asyncio.to_thread(service.start)
    renewal = asyncio.create_task(_renew(keys, settings.keys_refresh_s)) if keys else None
    try:
        yield
    finally:
        if renewal is not None:
            renewal.cancel()
        for each in workers:
            each.close()
        await asyncio.to_thread(service.close)


async def _renew(keys: KeyRing, every_s: float) -> None:
    """Keys made or revoked meanwhile. A file that cannot be read leaves them as they were."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(keys.refresh)
        except AigcError as error:
            logging.getLogger("aigc").warning("keys: %s", error)
