"""GET /v1/sets…: content sets while they are made and after, for who looks and who follows."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigc.service.bodies import parse_form, single
from aigc.service.errors import NotFoundError, OverloadedError
from aigc.service.sets import FILES, ServedSets, SetItem
from aigc.specs.requests import LabelName
from aigc.types import Json

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = 2
"""Storage may be slow, and pictures come first."""
_MOST_WAITING = 32
_KEPT = {"cache-control": "private, no-cache", "x-content-type-options": "nosniff"}


class ItemsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    start: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Index to begin at."""
    count: Annotated[int, Field(ge=1, le=200)] = 48
    label: LabelName | None = None
    """Only items of this label."""
    pictures: bool = False
    """Each item's file as b64_json, too. A page holds some 16 MiB of them, so it may end early;
    `next` says where to go on."""


class Sets:
    """Handlers over a `ServedSets`, which works on threads of its own."""

    def __init__(self, roots: tuple[str, ...]) -> None:
        self._shelf = ServedSets(roots)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sets")
        self._waiting = 0

    def routes(self) -> list[Route]:
        return [
            Route("/v1/sets", self.all),
            Route("/v1/sets/{id}", self.one),
            Route("/v1/sets/{id}/items", self.items),
            Route("/v1/sets/{id}/items/{index}", self.item),
            Route("/v1/sets/{id}/files/{name}", self.file),
        ]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def all(self, request: Request) -> Response:
        found = await self._run(self._shelf.all)
        return _json({"object": "list", "data": [_exact(told) for told in found]})

    async def one(self, request: Request) -> Response:
        return _json(_exact(await self._run(self._shelf.one, request.path_params["id"])))

    async def items(self, request: Request) -> Response:
        query = parse_form(ItemsQuery, single(request.query_params.multi_items()))
        name = request.path_params["id"]
        work = self._shelf.items
        asked = (query.start, query.count, query.label, query.pictures)
        found, following = await self._run(work, name, *asked)
        rows = [_row(name, item) for item in found]
        return _json({"object": "list", "data": rows, "next": following})

    async def item(self, request: Request) -> Response:
        index = request.path_params["index"]
        if not (index.isdecimal() and index.isascii() and len(index) < 16):
            raise NotFoundError(f"item {index[:40]!r}: expected the index of an item")
        found = await self._run(self._shelf.item, request.path_params["id"], int(index))
        return _file(request, found.file or b"", found.media_type)

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        data = await self._run(self._shelf.file, request.path_params["id"], name)
        return _file(request, data, FILES[name])

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError(
                "too many requests for content sets; try again in a second",
                retry_after_s=1,
                code="overloaded",
            )
        self._waiting += 1
        try:
            future = self._threads.submit(work, *args, **kwargs)
            return await asyncio.wrap_future(future)
        finally:
            self._waiting -= 1


def _row(name: str, item: SetItem) -> Json:
    row = {
        "index": item.index,
        "id": item.id,
        "label": item.label,
        "seed": item.seed,
        "candidate": item.candidate,
        **item.sampling,
        "output_format": item.media_type.removeprefix("image/"),
        "url": f"/v1/sets/{name}/items/{item.index}",
    }
    if item.file is not None:
        row["b64_json"] = base64.b64encode(item.file).decode()
    return _exact(row)


def _exact(row: Json) -> Json:
    """With the seed as text, too: JavaScript rounds numbers from 2**53 on."""
    seed = row.get("seed")
    return row if seed is None else row | {"seed_text": str(seed)}


def _json(value: Json) -> Response:
    data = json.dumps(value, allow_nan=False).encode()
    return Response(data, media_type="application/json", headers={"cache-control": "no-store"})


def _file(request: Request, data: bytes, media_type: str) -> Response:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    kept = {**_KEPT, "etag": tag}
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=304, headers=kept)
    return Response(data, media_type=media_type, headers=kept)
