"""Admission control in HAProxy, so that overload does not occupy the replicas.

Refusing a request in a replica costs most of what serving a small one costs, so at twice its
capacity a replica would be busy refusing. HAProxy refuses for 60 µs of CPU, where serving takes a
millisecond. It counts the requests in the replicas and refuses those beyond `max_in_flight` at once
with Retry-After, so the wait of accepted requests stays bounded for as long as the overload lasts.
Each replica also counts, since there may be several proxies, or another one. Requests that HAProxy
refuses are not in a replica's log; a replica's metrics include the counters of its machine's
HAProxy.

Bodies up to the buffer's size (16 KiB) are read before a request is counted, so that slow clients
occupy no replica.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from aigc.distributed.haproxy_guard import ConfigEdit
from aigc.endpoint.access_log import GIVEN_ID
from aigc.endpoint.settings import EXPOSED
from aigc.service.keys import LOOKS_LIKE_A_KEY
from aigc.specs import ServeSpec

APPLICATION = "aigc"
"""Name of the application in Ray Serve."""

_BACKEND = f"http-{APPLICATION}"
_NO_LOG = (ConfigEdit("", " *log .*"), ConfigEdit("", " *log-format-sd .*", least=0))
"""Turns off HAProxy's log line per request. Ray parses it in Python for its own metrics, which took
more CPU than HAProxy itself (100 µs a request). The endpoint has its own log and metrics.
"""
_BODY_S = 10
_DEFAULT_METRICS_PORT = "9101"
"""Ray's default."""
_ORIGIN = re.compile(r"\*|[A-Za-z0-9.:/_-]+")
_PICTURES = "path_beg /v1/images/ /v1/items/ /v1/latents/"

_HANDLED_BY_ENDPOINT = (
    "http-request set-header x-request-disconnect-disabled ?1",
    "http-request set-header x-request-timeout-seconds 0",
)
"""Ray's replica uses three tasks per request, for its end, its disconnect and its timeout; the
endpoint handles the latter two itself at less cost.
"""

_REQUEST_ID = (
    "http-request set-var(txn.id) req.fhdr(x-request-id)",
    "http-request set-var(txn.id) uuid() "
    f"if !{{ var(txn.id) -m reg ^{GIVEN_ID.pattern}$ }} "
    f"or {{ var(txn.id) -m reg {LOOKS_LIKE_A_KEY.pattern} }}",
    "http-request set-header x-request-id %[var(txn.id)]",
    "http-after-response set-header x-request-id %[var(txn.id)] if { var(txn.id) -m found }",
    "http-request del-header ^x[_-]session[_-]id$ -m reg",
    "http-request del-header ^serve[_-]multiplexed[_-]model[_-]id$ -m reg",
)
"""Sets the request id of the log and the response: the client's if it is valid and not an API key,
else a new one. Ray's replica fails on bytes that are not UTF-8 in any of these headers; the other
two are unused here.
"""

_FULL = {
    "message": "too many concurrent requests; try again in 1 s",
    "type": "overloaded_error",
    "param": None,
    "code": "overloaded",
}
_SLOW = {
    "message": f"the body did not arrive within {_BODY_S} s",
    "type": "invalid_request_error",
    "param": None,
    "code": "request_timeout",
}


def edits(spec: ServeSpec) -> list[ConfigEdit]:
    """Edits that add the rules to Ray's configuration. Without a deployed application it has no
    backend, and the rules are left out."""
    lines = (
        *_HANDLED_BY_ENDPOINT,
        *_REQUEST_ID,
        f"http-error status 408 content-type application/json string '{_error(_SLOW)}'",
        f"http-request wait-for-body time {_BODY_S}s if METH_POST",
        f"http-request set-var(txn.places) nbsrv({_BACKEND}),mul({spec.max_in_flight})",
        *_cors(spec.cors_origins),
        "http-request return status 503 content-type application/json "
        f"string '{_error(_FULL)}' hdr retry-after 1 "
        'hdr retry-after-ms "%[rand(500),add(500)]" '
        f"if {{ {_PICTURES} }} !METH_OPTIONS {{ be_conn({_BACKEND}),sub(txn.places) ge 0 }}",
    )
    rules = tuple(f"    {line}" for line in lines)
    line = f"    use_backend {_BACKEND} if .*"
    deployed = f"backend {_BACKEND}"
    return [
        *_NO_LOG,
        ConfigEdit("frontend http_frontend", line, rules, "before", only_with=deployed),
    ]


def settings(spec: ServeSpec) -> list[str]:
    """Changed fields that HAProxy takes from the start of its node, not from a deployed config."""
    plain = ServeSpec.model_construct()
    fields = ("max_in_flight", "cors_origins")
    return [field for field in fields if getattr(spec, field) != getattr(plain, field)]


def _cors(origins: Iterable[str]) -> list[str]:
    """Rules that add CORS headers to HAProxy's own responses."""
    wanted = [origin for origin in origins if _ORIGIN.fullmatch(origin)]
    if not wanted:
        return []
    listed = "-m found" if "*" in wanted else f"-m str {' '.join(wanted)}"
    own = f"if {{ var(txn.origin) {listed} }} !{{ res.hdr(access-control-allow-origin) -m found }}"
    exposed = f"access-control-expose-headers {','.join(EXPOSED)}"
    return [
        "http-request set-var(txn.origin) req.hdr(origin)",
        f"http-after-response set-header {exposed} {own}",
        f"http-after-response add-header vary origin {own}",
        f'http-after-response set-header access-control-allow-origin "%[var(txn.origin)]" {own}',
    ]


def metrics_port() -> int | None:
    """Port of the metrics of this machine's HAProxy; None if it is not used."""
    if os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") != "1":
        return None
    return int(os.environ.get("RAY_SERVE_HAPROXY_METRICS_PORT", _DEFAULT_METRICS_PORT))


def _error(said: dict[str, str | None]) -> str:
    return json.dumps({"error": said})
