"""What HAProxy does when a replica goes, when there is none, and with clients that hold on.

A replica that is killed takes its requests with it. They are asked of another one by HAProxy, which
still has what fits its buffer (16 KiB): to make pictures twice does no harm. While there is none,
Ray's own proxy behind HAProxy keeps requests until one has started. Only what then still fails, or
had begun to be answered, reaches the client: as 503 with Retry-After, which clients repeat.

A reload of HAProxy, at each change of the replicas, leaves the old process with the requests it
has. It ends them before it ends, for it may take longer than any request. A replica that leaves
takes requests until every proxy knows, and ends those it has.

Ray's proxy configuration speaks of none of it, or in its own words; it is corrected on its way.
"""

from __future__ import annotations

import json
from pathlib import Path

from aigc.distributed.haproxy_guard import ConfigEdit

REQUEST_S = 300
"""The longest that a request may take."""
_ONCE = "if !METH_GET !{ path_beg /v1/images/ /v1/items/ /v1/latents/ }"
_NO_ROUTE = "if { status 404 } { res.hdr(content-type) -m beg text/plain }"
"""Ray's proxy says so where there is no application; the endpoint's own errors are JSON."""
_HEAD_S = 10
"""For all headers of a request to come, and its first byte on a new connection."""
_STALLED_S = 60
"""A client that sends nothing of what it began to send, or takes nothing of its answer."""
MOST_CLIENTS = 20_000
"""Connections, as far as the machine's limit of open files allows."""
_LEAVING_S = 3
"""How long a replica that goes still takes requests of proxies that have not heard of it."""

_GONE = {
    "message": "the replica that handled this request stopped; send it again",
    "type": "server_error",
    "param": None,
    "code": "unavailable",
}
_CLOSED = _GONE | {"message": "the endpoint is starting or stopping; try again in a second"}
_MALFORMED = {
    "message": "not an HTTP request, or its headers are larger than 15 KiB",
    "type": "invalid_request_error",
    "param": None,
    "code": "bad_request",
}


def environment() -> dict[str, str]:
    """What Ray Serve is told, before it is imported."""
    return {
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(REQUEST_S + 30),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(_STALLED_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(REQUEST_S + 5),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_LEAVING_S),
    }


def edits(folder: Path) -> list[ConfigEdit]:
    """Of the configuration Ray writes. Leaves a file in `folder` that they name."""
    page = folder / "503.http"
    page.write_text(_answer(_GONE))
    head = (
        f"timeout http-request {_HEAD_S}s",
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
