"""The studio, a page for people who would rather look than read, and the API's document to read and
try, served as plain files.

Nothing is built and nothing is loaded from elsewhere; the policy below makes browsers hold it to
that. The pages themselves need no API key: they hold nothing but what anyone can install.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ASSETS_PATH = "/studio"
"""Everything but the pages themselves."""

_PAGES = {"index.html": "/", "docs.html": "/docs"}

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}

HEADERS = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "cache-control": "no-cache",  # revalidated by its tag, so an upgrade is seen at once
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def routes() -> list[Route]:
    """GET /, /docs and /studio/<file>, each with a strong ETag; the files are read once, here."""
    found = []
    for file in resources.files(__name__).iterdir():
        suffix = "." + file.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            path = _PAGES.get(file.name, f"{ASSETS_PATH}/{file.name}")
            body = file.read_bytes()
            answer = partial(_answer, body=body, headers=_headers(body, suffix))
            found.append(Route(path, answer, methods=["GET"], name=f"studio {file.name}"))
    return found


async def _answer(request: Request, *, body: bytes, headers: dict[str, str]) -> Response:
    known = request.headers.get("if-none-match", "")
    if headers["etag"] in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)


def _headers(body: bytes, suffix: str) -> dict[str, str]:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return HEADERS | {"content-type": MEDIA_TYPES[suffix], "etag": tag}
