"""Request bodies, never longer and never slower than agreed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from aigc.endpoint.errors import BodyTooLargeError, ClientGoneError, TooSlowError, WrongTypeError
from aigc.endpoint.settings import EndpointSettings
from aigc.service.bodies import single
from aigc.service.errors import BadRequestError, OverloadedError

Read = TypeVar("Read")

_MAX_FIELDS = 40
_MAX_FIELD_BYTES = 64 * 2**10
_PART_BYTES = 2**20
_GZIP = b"\x1f\x8b"
_FORM = "multipart/form-data"
_RAW = ("", "application/octet-stream")
_MEDIA = ("image/", "audio/", "video/")


async def json_body(request: Request, settings: EndpointSettings) -> bytes:
    """Raises TooLargeError, TooSlowError, WrongTypeError, ClientGoneError."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise WrongTypeError(
            f"content-type: {kind[:60]} is not understood here; send application/json",
            code="unsupported_media_type",
        )
    _require_plain(request)
    message = await _first(request, settings)
    data: bytes = message.get("body", b"")
    _require_room(len(data), settings.max_json_bytes)
    if message.get("more_body"):
        rest = _Bounded(request, settings.max_json_bytes, len(data))
        data += await _within(rest.all(), settings)
    if data.startswith(_GZIP):
        raise WrongTypeError(
            "the body is compressed by gzip; send it uncompressed", code="unsupported_media_type"
        )
    return data


@dataclass(frozen=True)
class UploadForm:
    fields: dict[str, Any]
    image: UploadFile
    """Beyond a megabyte it is on disk until it is read."""

    async def read(self) -> bytes:
        """Raises OverloadedError when the request that it came with has ended meanwhile."""
        try:
            return await self.image.read()
        except ValueError:
            raise OverloadedError(
                "image: the request that uploaded it was closed; send it again",
                retry_after_s=1,
                code="unavailable",
            ) from None

    async def digest(self) -> bytes:
        """Of the fields and the picture, which can be read afterwards."""
        found = hashlib.sha256(json.dumps(sorted(self.fields.items())).encode())
        while part := await self.image.read(_PART_BYTES):
            found.update(part)
        await self.image.seek(0)
        return found.digest()


@contextlib.asynccontextmanager
async def image_form(request: Request, settings: EndpointSettings) -> AsyncIterator[UploadForm]:
    """The fields and the one picture of a multipart form.

    Raises:
        BadRequestError: no picture or several, or a mask; and as `json_body`.
    """
    if _kind(request) != _FORM:
        raise WrongTypeError(
            "content-type: send multipart/form-data with the picture as image",
            code="unsupported_media_type",
        )
    async with _form(request, settings) as form:
        yield UploadForm(single(_texts(form)), _only_file(form, "image", "picture"))


@contextlib.asynccontextmanager
async def sent_file(request: Request, settings: EndpointSettings) -> AsyncIterator[UploadFile]:
    """The one file of a request: as `file` of a multipart form, or the body itself. Beyond a
    megabyte it is on disk until it is read.

    Raises:
        BadRequestError: no file or several, or a field next to it; and as `json_body`.
    """
    kind = _kind(request)
    if kind == _FORM:
        async with _form(request, settings) as form:
            for name in single(_texts(form)):
                raise _not_taken(name, "file", "file")
            yield _only_file(form, "file", "file")
    elif kind in _RAW or kind.startswith(_MEDIA):
        async with _whole_body(request, settings) as file:
            yield file
    else:
        raise WrongTypeError(
            f"content-type: {kind[:60]} is not understood here; send multipart/form-data with the "
            "file as file, or the file itself as application/octet-stream",
            code="unsupported_media_type",
        )


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _texts(form: FormData) -> list[tuple[str, str]]:
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


@contextlib.asynccontextmanager
async def _form(request: Request, settings: EndpointSettings) -> AsyncIterator[FormData]:
    """A multipart form, as long as it is agreed."""
    _require_plain(request)
    _require_room(_announced(request), settings.max_upload_bytes)
    request._receive = _Bounded(request, settings.max_upload_bytes).receive
    form = await _within(_parsed(request), settings)
    try:
        yield form
    finally:
        await form.close()


@contextlib.asynccontextmanager
async def _whole_body(request: Request, settings: EndpointSettings) -> AsyncIterator[UploadFile]:
    _require_plain(request)
    _require_room(_announced(request), settings.max_upload_bytes)
    with tempfile.SpooledTemporaryFile(_PART_BYTES) as spool:
        file = UploadFile(cast(BinaryIO, spool))
        body = _Bounded(request, settings.max_upload_bytes)
        await _within(_written(body, file), settings)
        await file.seek(0)
        yield file


async def _written(body: _Bounded, file: UploadFile) -> None:
    async for part in body.parts():
        await file.write(part)


def _require_plain(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise WrongTypeError(
            f"content-encoding: {encoding[:60]} is not supported; send the body uncompressed",
            code="unsupported_media_type",
        )


async def _parsed(request: Request) -> FormData:
    try:
        return await request.form(
            max_files=4, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except ClientDisconnect:
        raise ClientGoneError from None
    except UnicodeError as error:  # by a charset such as idna
        raise BadRequestError(f"content-type: a field is not in its charset ({error})") from None


def _only_file(form: FormData, field: str, noun: str) -> UploadFile:
    """The one file of a form, which is to be sent as `field`."""
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    for name, _ in files:
        if name not in (field, f"{field}[]"):
            raise _not_taken(name, field, noun)
    if len(files) != 1:
        raise BadRequestError(
            f"{field}: send one {noun}, there are {len(files)}",
            param=field,
            code=f"invalid_{field}",
        )
    return files[0][1]


def _not_taken(name: str, field: str, noun: str) -> BadRequestError:
    return BadRequestError(
        f"{name[:60]}: is not taken here; send one {noun} as {field}",
        param=name[:60],
        code="unknown_parameter",
    )


class _Bounded:
    """Receives a body and stops when it grows too long, whatever its length was said to be."""

    def __init__(self, request: Request, limit: int, read: int = 0) -> None:
        self._receive, self._limit, self._read = request.receive, limit, read

    async def receive(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        _require_room(self._read, self._limit)
        return message

    async def all(self) -> bytes:
        return b"".join([part async for part in self.parts()])

    async def parts(self) -> AsyncIterator[bytes]:
        """Raises ClientGoneError when the client leaves before the end."""
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            yield message.get("body", b"")
            more = message.get("more_body", False)


async def _first(request: Request, settings: EndpointSettings) -> Message:
    """Most bodies are in the first message, and there already."""
    _require_room(_announced(request), settings.max_json_bytes)
    message = await _within(request.receive(), settings)
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


async def _within(work: Awaitable[Read], settings: EndpointSettings) -> Read:
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await work
    except TimeoutError:
        raise TooSlowError(
            f"the request's body did not arrive within {settings.body_timeout_s:g} s",
            code="request_timeout",
        ) from None


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def _require_room(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLargeError(
            f"the request's body is too large; at most {limit:,} bytes", code="too_large"
        )
