"""Errors in OpenAI's shape: {"error": {"message", "type", "param", "code"}}.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import json
import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aigc.errors import AigcError, SpecError
from aigc.service.errors import (
    BadRequestError,
    KeyRefusedError,
    NotFoundError,
    OverloadedError,
    RequestError,
    UnhealthyModelError,
)
from aigc.service.keys import redact
from aigc.types import Json


class BodyTooLargeError(BadRequestError):
    """The body is longer than the endpoint reads."""


class WrongTypeError(BadRequestError):
    """The body is of another media type."""


class ConflictError(BadRequestError):
    """An Idempotency-Key was used for something else."""


class TooSlowError(BadRequestError):
    """The body did not come in time."""


class ClientGoneError(Exception):
    """Nobody is there to answer."""


_STATUS: tuple[tuple[type[AigcError], int, str], ...] = (
    (BodyTooLargeError, 413, "invalid_request_error"),
    (WrongTypeError, 415, "invalid_request_error"),
    (ConflictError, 409, "idempotency_error"),
    (TooSlowError, 408, "invalid_request_error"),
    (BadRequestError, 400, "invalid_request_error"),
    (SpecError, 400, "invalid_request_error"),
    (NotFoundError, 404, "invalid_request_error"),
    (OverloadedError, 503, "overloaded_error"),
    (UnhealthyModelError, 503, "server_error"),
    (AigcError, 503, "server_error"),
)
"""The first that fits."""

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request", 500: "internal_error"}


def status_and_type(error: AigcError) -> tuple[int, str]:
    if isinstance(error, KeyRefusedError):
        status = 403 if error.forbidden else 401
        return status, _TYPES[status]
    if isinstance(error, OverloadedError) and error.limited:
        return 429, _TYPES[429]
    return next((status, kind) for tree, status, kind in _STATUS if isinstance(error, tree))


def headers(error: AigcError) -> dict[str, str]:
    wait_s = _retry_after_s(error)
    if wait_s is not None:
        return {
            "retry-after": str(max(1, math.ceil(wait_s))),
            "retry-after-ms": str(max(1, math.ceil(wait_s * 1000))),
        }
    if isinstance(error, KeyRefusedError) and not error.forbidden:
        return {"www-authenticate": 'Bearer realm="aigc"'}
    return {}


def _retry_after_s(error: AigcError) -> float | None:
    """Whatever is a 503 says so; a store that cannot be read may be there a second later."""
    if isinstance(error, OverloadedError | UnhealthyModelError):
        return error.retry_after_s
    return 1.0 if status_and_type(error)[0] == 503 else None


def as_json(error: AigcError) -> Json:
    named = error.param if isinstance(error, RequestError) else None
    param = named and redact(named)
    code = error.code if isinstance(error, RequestError) else None
    return _body(redact(str(error)), status_and_type(error)[1], param, code)


def response(error: AigcError) -> Response:
    return _answer(status_and_type(error)[0], as_json(error), headers(error))


async def on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AigcError)
    return response(error)


async def on_http(request: Request, error: Exception) -> Response:
    """No such route, a wrong method, a form that is none."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    kind = "invalid_request_error" if status < 500 else "server_error"
    said = HTTPStatus(status).phrase
    detail = error.detail if error.detail and error.detail != said else said.lower()
    body = _body(redact(str(detail)), kind, None, _CODES.get(status))
    return _answer(status, body, dict(error.headers or {}))


def unexpected() -> Response:
    message = "internal error; the server's log has the details under this answer's X-Request-ID"
    body = _body(message, "server_error", None, _CODES[500])
    return _answer(500, body, {})


def _answer(status: int, body: Json, extra: dict[str, str]) -> Response:
    data = json.dumps(body).encode()
    return Response(data, status, extra, media_type="application/json")


def _body(message: str, kind: str, param: str | None, code: str | None) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
