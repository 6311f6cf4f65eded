"""The application: routes, who may use them, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aigc import __version__
from aigc.endpoint import access_log, errors, metrics, page
from aigc.endpoint.document import document
from aigc.endpoint.gate import Gate
from aigc.endpoint.items import Items
from aigc.endpoint.models import Models
from aigc.endpoint.routes import Images
from aigc.endpoint.settings import EndpointSettings
from aigc.errors import AigcError
from aigc.service.keys import KeyRing
from aigc.service.quota import Ledger, LocalLedger
from aigc.service.service import Service


def create_app(
    service: Service, settings: EndpointSettings | None = None, ledger: Ledger | None = None
) -> FastAPI:
    """The application. It starts the service if nobody has, and closes it at its end.

    Raises:
        SpecError, StorageError: the key file cannot be read.
    """
    chosen = settings or EndpointSettings()
    keys = KeyRing(chosen.keys) if chosen.keys else None
    found = metrics.Metrics(service)
    if chosen.access_log:
        access_log.prepare()
    app = FastAPI(
        title="aigc",
        version=__version__,
        lifespan=lambda app: _running(service, keys, chosen),
        docs_url="/docs",
        redoc_url=None,
        exception_handlers={AigcError: errors.on_error, HTTPException: errors.on_http},
    )
    openapi = document(service.settings, secured=keys is not None)
    app.openapi = lambda: openapi  # type: ignore[method-assign]
    _route(app, service, chosen, ledger or LocalLedger(), found)
    app.add_middleware(Gate, settings=chosen, metrics=found, keys=keys)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=chosen.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "idempotency-key"],
            expose_headers=["x-request-id", "retry-after"],
        )
    return app


def _route(
    app: FastAPI,
    service: Service,
    settings: EndpointSettings,
    ledger: Ledger,
    found: metrics.Metrics,
) -> None:
    images, models = Images(service, settings, ledger), Models(service)

    async def ready(request: Request) -> Response:
        ok = service.ready
        return PlainTextResponse("ready" if ok else "not ready", 200 if ok else 503)

    async def scraped(request: Request) -> Response:
        return Response(found.text(), headers={"content-type": metrics.CONTENT_TYPE})

    app.add_route("/v1/images/generations", images.generations, ["POST"])
    app.add_route("/v1/images/variations", images.variations, ["POST"])
    app.add_route("/v1/images/edits", images.edits, ["POST"])
    app.add_route("/v1/latents/walk", images.walk, ["POST"])
    app.add_route("/v1/images/{ref}/{label:path}/{seed}/{file}", Items(service, ledger).get)
    app.add_route("/v1/models", models.all)
    app.add_route("/v1/models/{id}", models.one)
    app.add_route("/healthz", _alive)
    app.add_route("/readyz", ready)
    app.add_route("/metrics", scraped)
    app.router.routes.extend(page.routes())


async def _alive(request: Request) -> Response:
    return PlainTextResponse("alive")


@contextlib.asynccontextmanager
async def _running(
    service: Service, keys: KeyRing | None, settings: EndpointSettings
) -> AsyncIterator[None]:
    await asyncio.to_thread(service.start)
    renewal = asyncio.create_task(_renew(keys, settings.keys_refresh_s)) if keys else None
    try:
        yield
    finally:
        if renewal is not None:
            renewal.cancel()
        await asyncio.to_thread(service.close)


async def _renew(keys: KeyRing, every_s: float) -> None:
    """Keys made or revoked meanwhile. A file that cannot be read leaves them as they were."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(keys.refresh)
        except AigcError as error:
            logging.getLogger("aigc").warning("keys: %s", error)
