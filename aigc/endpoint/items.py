"""One item's permanent address.

GET /v1/items/{name}@{version}/{condition}/{seed}/{index}{suffix} for items of any modality, and
GET /v1/images/{name}@{version}/{label}/{seed}/{index}.png for images.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aigc.audit import AuditLog
from aigc.endpoint import answers
from aigc.endpoint.access_log import Seen
from aigc.endpoint.admission import SEEN
from aigc.endpoint.charges import Charge
from aigc.endpoint.refusals import refusals_logged
from aigc.service import render_requests, signing
from aigc.service.bodies import parse_form, single
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.service.item_formats import codec_of, delivery_of, format_of_query
from aigc.service.loaded_model import LoadedModel
from aigc.service.quota import RateLimiter
from aigc.service.render_requests import RenderRequest
from aigc.service.service import Service
from aigc.specs.requests import Size, Truncation

_CODECS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
_FILE = re.compile(r"([0-9]{1,16})\.(png|jpg|jpeg|webp)")
_NOT_SNIFFED = {"x-content-type-options": "nosniff"}
_SEED = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"([0-9]{1,16})(\..{1,20})")
_IMAGES, _ITEMS = b"/v1/images/", b"/v1/items/"
_FOREVER = "max-age=31536000, immutable"


class ItemQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = None
    size: Size = "auto"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None


class Items:
    def __init__(self, service: Service, rate_limiter: RateLimiter, audit: AuditLog) -> None:
        self._service, self._rate_limiter, self._audit = service, rate_limiter, audit

    async def get(self, request: Request) -> Response:
        """An item of any modality."""
        async with refusals_logged(self._audit, request):
            return await self._answer(request, _ITEMS, self._item_request)

    async def image(self, request: Request) -> Response:
        async with refusals_logged(self._audit, request):
            return await self._answer(request, _IMAGES, self._image_request)

    async def _answer(
        self,
        request: Request,
        folder: bytes,
        request_of: Callable[[Request, LoadedModel], RenderRequest],
    ) -> Response:
        ref = request.path_params["ref"]
        loaded = await self._service.model(ref)
        if ref != loaded.version.ref:
            return _to_version(request, loaded.version.ref, folder)
        render = request_of(request, loaded)
        tag = _tag(render)
        seen: Seen = request.scope[SEEN]
        whose = "private" if seen.key else "public"
        kept = {"etag": tag, "cache-control": f"{whose}, {_FOREVER}", **_NOT_SNIFFED}
        if _matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=kept)
        seen.model, seen.images = ref, 1
        self._service.batcher.require_capacity(render.job)
        # Who was handed a signed address was charged then.
        charge = Charge(self._rate_limiter, None if seen.signed else seen.key)
        async with charge.refunded_on_failure():
            await charge.take(1)
            with self._service.queued(render) as queued:
                files = await answers.made(request, queued)
        kind = delivery_of(loaded).codecs[render.job.format.codec]
        return Response(files[0], media_type=kind.media_type, headers=kept)

    def _item_request(self, request: Request, loaded: LoadedModel) -> RenderRequest:
        index, suffix = _numbered(request.path_params["file"])
        codec = codec_of(loaded, suffix)
        wanted, asked = format_of_query(loaded, codec, _query(request), self._service.settings)
        seed, wish = _seed(request.path_params["seed"]), request.path_params["condition"]
        blocked = self._service.settings.blocked
        return render_requests.item(loaded, wish, seed, index, asked, wanted, blocked)

    def _image_request(self, request: Request, loaded: LoadedModel) -> RenderRequest:
        index, codec = _file(request.path_params["file"])
        query = parse_form(ItemQuery, _query(request))
        settings = self._service.settings
        wanted = render_requests.format_of(loaded, query.size, codec, query.quality, settings)
        seed, label = _seed(request.path_params["seed"]), request.path_params["label"]
        return render_requests.item(loaded, label, seed, index, query, wanted, settings.blocked)


def _tag(render: RenderRequest) -> str:
    """Known before anything is rendered: the same tag means the same bytes before signing. It is a
    weak one where a file's time or signature differs each time (RFC 9110, 8.8.1)."""
    job = render.job
    parts = (
        *(
            job.model.identity,
            render.labels[0],
            render.seed,
            render.index,
            *render.sampling.values(),
        ),
        job.format,
    )
    weak = "W/" if job.model.origin.varies else ""
    return f'{weak}"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _matches(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return tag.removeprefix("W/") in tags or tags == ["*"]


def _query(request: Request) -> dict[str, Any]:
    """Without what signs the address."""
    said = single(request.query_params.multi_items())
    return {name: value for name, value in said.items() if name not in signing.PARAMETERS}


def _numbered(name: str) -> tuple[int, str]:
    """An item's index and the end of its name."""
    found = _NUMBER.fullmatch(name)
    if found is None or int(found[1]) >= 2**53:
        raise NotFoundError(f"{name[:40]}: expected an index and the suffix of a file")
    return int(found[1]), found[2]


def _file(name: str) -> tuple[int, str]:
    found = _FILE.fullmatch(name)
    if found is None or int(found[1]) >= 2**53:
        raise NotFoundError(f"{name[:40]}: expected an index and .png, .jpg or .webp")
    return int(found[1]), _CODECS[found[2]]


def _seed(text: str) -> int:
    if not _SEED.fullmatch(text) or int(text) >= 2**63:
        raise BadRequestError(
            f"seed: {text[:40]!r} is not a number from 0 to 2**63 - 1", param="seed"
        )
    return int(text)


def _to_version(request: Request, ref: str, folder: bytes) -> Response:
    """A name or an alias moves; what it stands for now does not. The address is relative: only the
    proxies in front know under which scheme, host and folder they were asked."""
    raw: bytes = request.scope["raw_path"]
    _, _, item = raw.partition(folder)[2].partition(b"/")
    query: bytes = request.scope["query_string"]
    up = "../" * (item.count(b"/") + 1)
    there = f"{up}{quote(ref, safe='@')}/{item.decode('latin-1')}"
    if query:
        there += f"?{query.decode('latin-1')}"
    return RedirectResponse(there, 307, headers={"cache-control": "no-store"})
