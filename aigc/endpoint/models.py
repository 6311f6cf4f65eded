"""GET /v1/models and /v1/models/{id}: OpenAI's shape, and what one wants to know of a model."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from aigc.service.catalogue import Catalogue
from aigc.service.errors import NotFoundError, UnfitError
from aigc.service.loaded import Loaded
from aigc.service.offers import Offer
from aigc.service.service import Service
from aigc.store import ModelVersion
from aigc.types import Json


class Models:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def all(self, request: Request) -> Response:
        catalogue = self._service.catalogue
        rows = [described(catalogue, offer) for offer in catalogue.offers()]
        return _answer({"object": "list", "data": rows})

    async def one(self, request: Request) -> Response:
        wanted = request.path_params["id"]
        catalogue = self._service.catalogue
        try:
            loaded = await catalogue.get(wanted)
        except UnfitError:
            named = catalogue.offer(wanted)
            if named is None:
                raise
            return _answer(described(catalogue, named))
        offer = catalogue.offer(loaded.version.name)
        if offer is None:
            raise NotFoundError(f"model {wanted[:80]!r} is not offered here", param="model")
        mine = described(catalogue, offer) if wanted == offer.name else _row(loaded.version, loaded)
        return _answer(mine | {"id": wanted, "card": loaded.card})


def described(catalogue: Catalogue, offer: Offer) -> Json:
    loaded = next((m for m in catalogue.loaded() if m.version.ref == offer.version.ref), None)
    standing = [name for name, v in offer.aliases.items() if v == offer.version.version]
    row = _row(offer.version, loaded) | {"id": offer.name, "aliases": standing}
    if offer.failure is not None:
        row["unfit"] = {"version": offer.failure.ref, "reason": offer.failure.reason}
    return row


def _row(version: ModelVersion, loaded: Loaded | None) -> Json:
    config = version.config
    reads = config.architecture.family == "vae"
    return {
        "id": version.ref,
        "object": "model",
        "created": int(version.created_at),
        "owned_by": "aigc",
        "version": version.ref,
        "aliases": [],
        "digest": version.digest,
        "family": config.architecture.family,
        "labels": list(config.labels) if config.conditional else [],
        "width": config.width,
        "height": config.height,
        "channels": config.channels,
        "latent_dim": config.latent_dim,
        "can": ["generate", "walk", "vary", "edit"] if reads else ["generate", "walk"],
        "figures": {} if loaded is None else loaded.figures,
        "loaded": loaded is not None,
    }


def _answer(value: Json) -> Response:
    return Response(json.dumps(value, allow_nan=False, default=str), media_type="application/json")
