"""Failover in HAProxy: replicas that stop, no replica at all, and slow clients.

The requests of a killed replica are sent to another one by HAProxy, which still has bodies up to
its buffer's size (16 KiB); generating images twice is harmless. While there is no replica, Ray's
own proxy behind HAProxy holds requests until one has started. Requests that still fail, or whose
response had begun, receive 503 with Retry-After, which clients repeat.

HAProxy is reloaded at each change of the replicas. The old process finishes its requests first, for
longer than any request may take. A stopping replica accepts requests until every proxy has been
updated, and finishes them.

Ray's configuration of HAProxy does not do this, so it is edited.
"""

from __future__ import annotations

import json
from pathlib import Path

from aigc.distributed.haproxy_guard import ConfigEdit

REQUEST_S = 300
"""Timeout of a request."""
_ONCE = "if !METH_GET !{ path_beg /v1/images/ /v1/items/ /v1/latents/ }"
_NO_ROUTE = "if { status 404 } { res.hdr(content-type) -m beg text/plain }"
"""The response of Ray's proxy without an application; the endpoint's own errors are JSON."""
_HEADERS_TIMEOUT_S = 10
"""Timeout of a request's headers, and of the first byte on a new connection."""
_STALL_TIMEOUT_S = 60
"""Timeout of a client that stalls while it sends a request or reads the response."""
MOST_CLIENTS = 20_000
"""Concurrent connections, if the limit of open files allows them."""
_DRAIN_S = 3
"""How long a stopping replica accepts requests of proxies that are not updated yet."""

_GONE = {
    "message": "the replica that handled this request stopped; send it again",
    "type": "server_error",
    "param": None,
    "code": "unavailable",
}
_CLOSED = _GONE | {"message": "the endpoint is starting or stopping; try again in 1 s"}
_MALFORMED = {
    "message": "not an HTTP request, or its headers are larger than 15 KiB",
    "type": "invalid_request_error",
    "param": None,
    "code": "bad_request",
}


def environment() -> dict[str, str]:
    """Environment variables for Ray Serve, to be set before its import."""
    return {
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(REQUEST_S + 30),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(_STALL_TIMEOUT_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(REQUEST_S + 5),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_DRAIN_S),
    }


def edits(folder: Path) -> list[ConfigEdit]:
    """Edits of Ray's configuration. Writes a file to `folder` that they refer to."""
    page = folder / "503.http"
    page.write_text(_answer(_GONE))
    head = (
        f"timeout http-request {_HEADERS_TIMEOUT_S}s",
        "option http-ignore-probes",
        f"http-error status 400 content-type application/json string '{_error(_MALFORMED)}'",
    )
    closed = (
        "return status 503 content-type application/json "
        f"string '{_error(_CLOSED)}' hdr retry-after 1"
    )
    rules = (f"http-request disable-l7-retry {_ONCE}", f"http-response {closed} {_NO_ROUTE}")
    no_route = (f"    http-request {closed}",)
    return [
        _first_in("global", ("no strict-limits",)),
        _first_in("defaults", head),
        _first_in("frontend http_frontend", rules),
        ConfigEdit("defaults", r"( *errorfile 50[234]) .*", (rf"\1 {page}",), least=3),
        ConfigEdit("backend default_backend", " *http-request return status 404 .*", no_route),
    ]


def _first_in(section: str, lines: tuple[str, ...]) -> ConfigEdit:
    return ConfigEdit(section, section, tuple(f"    {line}" for line in lines), "after")


def _answer(said: dict[str, str | None]) -> str:
    body = _error(said)
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/json",
        "Retry-After: 1",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", body))


def _error(said: dict[str, str | None]) -> str:
    return json.dumps({"error": said})
