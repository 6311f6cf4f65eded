"""What HAProxy refuses for the replicas, so that a crowd does not keep them from their work.

A request that a replica refuses has passed most of what makes a small one dear: at twice its
capacity a replica would be busy refusing. HAProxy does it for 60 µs of CPU, where serving takes a
millisecond. It counts the requests that the replicas have; who comes when every place is taken is
told at once when to try again. So those that are accepted wait for no more than a replica's places,
however long the crowd stays. Each replica counts by itself as well, for there may be several
proxies, or another one. What HAProxy refuses is in its own metrics, not in a replica's or its log.

A body of up to a buffer's size (16 KiB) is read before a place is taken: slow clients take none.
"""

from __future__ import annotations

import json

from aigc.specs import ServeSpec

APPLICATION = "aigc"
"""Serve's name for it."""

_BACKEND = f"http-{APPLICATION}"
_SILENT = """\
/^ *log /d
/^ *log-format-sd /d
"""
"""No line a request to a system log and to Ray, which parses it in Python for metrics of its own;
that took more CPU than HAProxy (100 µs a request). The endpoint has its own log and metrics.
"""
_BODY_S = 10
_PICTURES = "path_beg /v1/images/ /v1/latents/"

_FULL = {
    "message": "too many requests at a time; try again in a second",
    "type": "overloaded_error",
    "param": None,
    "code": "overloaded",
}
_SLOW = {
    "message": f"the body did not come within {_BODY_S} s",
    "type": "invalid_request_error",
    "param": None,
    "code": "request_timeout",
}


def edits(spec: ServeSpec) -> str:
    """A sed script that adds the rules to the configuration Ray writes, before it is read."""
    lines = (
        f"http-error status 408 content-type application/json string '{_error(_SLOW)}'",
        f"http-request wait-for-body time {_BODY_S}s if METH_POST",
        f"http-request set-var(txn.places) nbsrv({_BACKEND}),mul({spec.max_in_flight})",
        "http-request return status 503 content-type application/json "
        f"string '{_error(_FULL)}' hdr retry-after 1 "
        'hdr retry-after-ms "%[rand(500),add(500)]" hdr x-request-id "%[uuid]" '
        f"if {{ {_PICTURES} }} !METH_OPTIONS {{ be_conn({_BACKEND}),sub(txn.places) ge 0 }}",
    )
    inserted = "\\\n".join(f"    {line}" for line in lines)
    return f"{_SILENT}/^    use_backend {_BACKEND} if/i\\\n{inserted}\n"


def _error(said: dict[str, str | None]) -> str:
    return json.dumps({"error": said})
