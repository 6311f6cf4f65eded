"""GET /v1/models and /v1/models/{id}: OpenAI's shape, and what one wants to know of a model."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from aigc.service.errors import NotFoundError, UnhealthyModelError
from aigc.service.loaded_model import LoadedModel, expected_abilities
from aigc.service.served_models import ServedModel
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.store import ModelVersion
from aigc.types import Json


class Models:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def all(self, request: Request) -> Response:
        offers = self._service.catalogue.offers()
        rows = [described(self._service, offer) for offer in offers]
        return _answer({"object": "list", "data": rows})

    async def one(self, request: Request) -> Response:
        wanted = request.path_params["id"]
        catalogue = self._service.catalogue
        try:
            loaded = await catalogue.get(wanted)
        except UnhealthyModelError:
            named = catalogue.offer(wanted)
            if named is None:
                raise
            return _answer(described(self._service, named))
        offer = catalogue.offer(loaded.version.name)
        if offer is None:
            raise NotFoundError(f"model {wanted[:80]!r} is not served here", param="model")
        mine = described(self._service, offer)
        if wanted != offer.name:
            mine = _row(loaded.version, loaded, self._service.settings)
        return _answer(mine | {"id": wanted, "card": loaded.card})


def described(service: Service, offer: ServedModel) -> Json:
    known = service.catalogue.loaded()
    loaded = next((m for m in known if m.version.ref == offer.version.ref), None)
    standing = [name for name, v in offer.aliases.items() if v == offer.version.version]
    row = _row(offer.version, loaded, service.settings)
    row |= {"id": offer.name, "aliases": standing}
    if offer.failure is not None:
        row["unhealthy"] = {"version": offer.failure.ref, "reason": offer.failure.reason}
    return row


def _row(version: ModelVersion, loaded: LoadedModel | None, settings: ServiceSettings) -> Json:
    config = version.config
    able = expected_abilities(config) if loaded is None else loaded.can
    return {
        "id": version.ref,
        "object": "model",
        "created": int(version.created_at),
        "owned_by": "aigc",
        "version": version.ref,
        "aliases": [],
        "digest": version.digest,
        "health": version.health,
        "family": config.architecture.family,
        "labels": list(config.labels) if config.conditional else [],
        "untrained": list(config.untrained) if config.conditional else [],
        "width": config.width,
        "height": config.height,
        "channels": config.channels,
        "latent_dim": config.latent_dim,
        "can": able,
        "limits": {
            "max_n": settings.max_n,
            "max_side": max(settings.max_side, config.width, config.height),
            "max_pixels": settings.max_pixels,
            "max_steps": settings.max_steps,
        },
        "figures": {} if loaded is None else loaded.figures,
        "loaded": loaded is not None,
    }


def _answer(value: Json) -> Response:
    return Response(json.dumps(value, allow_nan=False, default=str), media_type="application/json")
