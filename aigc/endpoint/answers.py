"""Pictures as JSON and as server-sent events, put together as bytes.

Base64 needs no escaping, so it is copied once into its place; any JSON library copies and inspects
it several times (measured: half to a fifth of the time, and none of them is needed).
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from starlette.requests import Request

from aigc.endpoint.charges import Charge
from aigc.endpoint.errors import ClientGoneError, as_json
from aigc.errors import AigcError
from aigc.modalities.image.delivery import Format
from aigc.service.errors import ContentRefusedError, UnhealthyModelError
from aigc.service.queued_requests import QueuedRequest
from aigc.service.render_requests import RenderRequest

_PATIENCE_S = 0.25
"""Most answers are there by then, and it is not worth asking whether the client is."""

Address = Callable[[RenderRequest, int], str]
"""The permanent address of a request's image number N."""


async def made(request: Request, queued: QueuedRequest) -> list[bytes]:
    """The files. Raises ClientGoneError as soon as nobody waits for them."""
    await until(request, queued.done)
    return await queued.files()


async def until(request: Request, done: asyncio.Future[Any]) -> None:
    """Returns when it is `done`. Raises ClientGoneError when the client has gone before."""
    if not done.done():
        await asyncio.wait({done}, timeout=_PATIENCE_S)
    if not done.done():
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({done, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not done.done():
            raise ClientGoneError


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def images(
    render: RenderRequest,
    files: Sequence[bytes],
    address: Address | None,
    ignored: Sequence[str] = (),
) -> bytes:
    """OpenAI's ImagesResponse; `address` where addresses are wanted instead of the pictures.
    `ignored` are the request's fields without effect."""
    ref, wanted = render.job.model.version.ref, cast("Format", render.job.format)
    head = (
        f'{{"created":{int(time.time())},"model":"{ref}","output_format":"{wanted.codec}",'
        f'"size":"{wanted.width}x{wanted.height}","background":"opaque",{_ignored(ignored)}"data":['
    )
    rows = [row(render, at, file, address) for at, file in enumerate(files)]
    return b"".join((head.encode(), b",".join(rows), b"]}"))


def _ignored(names: Sequence[str]) -> str:
    return f'"ignored":{json.dumps(list(names))},' if names else ""


def row(render: RenderRequest, at: int, file: bytes, address: Address | None) -> bytes:
    tail = b"%s,%s}" % (_identity(render, at), _labelled(render.labels[at]))
    if address is not None:
        return b'{"url":%s,%s' % (json.dumps(address(render, at)).encode(), tail)
    return b'{"b64_json":"%s",%s' % (base64.b64encode(file), tail)


def _identity(render: RenderRequest, at: int) -> bytes:
    found = render.identity(at)
    return b'"seed":null,"index":null' if found is None else b'"seed":%d,"index":%d' % found


async def events(
    render: RenderRequest,
    queued: QueuedRequest,
    kind: str,
    leave: Callable[[QueuedRequest], None],
    charge: Charge,
    refused: Callable[[ContentRefusedError], Awaitable[None]],
    ignored: Sequence[str] = (),
) -> AsyncIterator[bytes]:
    """One event a picture, as soon as it is made; `kind` is image_generation or image_edit, and
    `ignored` are the request's fields without effect. What fails is given back to `charge`;
    `refused` is told what is refused for its content.

    https://platform.openai.com/docs/api-reference/images-streaming
    """
    wanted, at = cast("Format", render.job.format), 0
    fixed = json.dumps(
        {
            "type": f"{kind}.completed",
            "created_at": int(time.time()),
            "size": f"{wanted.width}x{wanted.height}",
            "quality": "auto",
            "background": "opaque",
            "output_format": wanted.codec,
            "usage": _NO_USAGE,
            "model": render.job.model.version.ref,
            **({"ignored": list(ignored)} if ignored else {}),
        }
    )
    start = f"event: {kind}.completed\ndata: {fixed[:-1]},".encode()
    try:
        async for files in queued.parts():
            for file in files:
                yield b"%s%s\n\n" % (start, row(render, at, file, None)[1:])
                charge.deliver(1)
                at += 1
    except AigcError as error:
        await charge.refund()
        yield _failed(await _logged(error, refused))
    except Exception:
        await charge.refund()
        yield _failed(UnhealthyModelError("internal error; the server's log has the details"))
        raise
    finally:
        leave(queued)


_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""OpenAI's clients expect it; nothing is counted in tokens here."""


async def _logged(
    error: AigcError, refused: Callable[[ContentRefusedError], Awaitable[None]]
) -> AigcError:
    """`error`, or the one that kept a refusal from being logged."""
    try:
        if isinstance(error, ContentRefusedError):
            await refused(error)
    except AigcError as other:
        return other
    return error


def _failed(error: AigcError) -> bytes:
    return b"event: error\ndata: %s\n\n" % json.dumps(as_json(error)).encode()


@functools.lru_cache(maxsize=4096)
def _labelled(label: str | None) -> bytes:
    return f'"revised_prompt":{json.dumps(label)},"label":{json.dumps(label)}'.encode()
