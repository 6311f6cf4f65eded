"""What HAProxy refuses for the replicas, so that a crowd does not keep them from their work.

A request that a replica refuses has passed most of what makes a small one dear: at twice its
capacity a replica would be busy refusing. HAProxy does it for 60 µs of CPU, where serving takes a
millisecond. It counts the requests that the replicas have; who comes when every place is taken is
told at once when to try again. So those that are accepted wait for no more than a replica's places,
however long the crowd stays. Each replica counts by itself as well, for there may be several
proxies, or another one. What HAProxy refuses is in no replica's log; a replica's metrics give what
the HAProxy of its machine counted.

A body of up to a buffer's size (16 KiB) is read before a place is taken: slow clients take none.
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
"""Serve's name for it."""

_BACKEND = f"http-{APPLICATION}"
_SILENT = (ConfigEdit("", " *log .*"), ConfigEdit("", " *log-format-sd .*", least=0))
"""No line a request to a system log and to Ray, which parses it in Python for metrics of its own;
that took more CPU than HAProxy (100 µs a request). The endpoint has its own log and metrics.
"""
_BODY_S = 10
_RAYS_PORT = "9101"
"""Where nothing says otherwise."""
_ORIGIN = re.compile(r"\*|[A-Za-z0-9.:/_-]+")
_PICTURES = "path_beg /v1/images/ /v1/items/ /v1/latents/"

_WATCHED_BY_US = (
    "http-request set-header x-request-disconnect-disabled ?1",
    "http-request set-header x-request-timeout-seconds 0",
)
"""Ray's replica waits for a request's end, its client's leaving and its time limit in three tasks;
the endpoint looks to the latter two itself, for less.
"""

_NUMBERED = (
    "http-request set-var(txn.id) req.fhdr(x-request-id)",
    "http-request set-var(txn.id) uuid() "
    f"if !{{ var(txn.id) -m reg ^{GIVEN_ID.pattern}$ }} "
    f"or {{ var(txn.id) -m reg {LOOKS_LIKE_A_KEY.pattern} }}",
    "http-request set-header x-request-id %[var(txn.id)]",
    "http-after-response set-header x-request-id %[var(txn.id)] if { var(txn.id) -m found }",
    "http-request del-header ^x[_-]session[_-]id$ -m reg",
    "http-request del-header ^serve[_-]multiplexed[_-]model[_-]id$ -m reg",
)
"""One number for a request in the replica's log and in each answer, whoever gives it; never a key.
Ray's replica fails at bytes that are no UTF-8 in any of these headers; the others serve nothing
here.
"""

_FULL = {
    "message": "too many requests at a time; try again in a second",
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
    """Those that add the rules to the configuration Ray writes, before it is read; while nothing is
    deployed there is no line to put them before."""
    lines = (
        *_WATCHED_BY_US,
        *_NUMBERED,
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
        *_SILENT,
        ConfigEdit("frontend http_frontend", line, rules, "before", only_with=deployed),
    ]


def settings(spec: ServeSpec) -> list[str]:
    """Fields that HAProxy has from where its node was started, not from a config deployed later."""
    plain = ServeSpec.model_construct()
    fields = ("max_in_flight", "cors_origins")
    return [field for field in fields if getattr(spec, field) != getattr(plain, field)]


def _cors(origins: Iterable[str]) -> list[str]:
    """A page of another origin shall read what HAProxy answers itself, as what a replica does."""
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
    """Where the HAProxy of this machine tells what it did, where one stands before the replicas."""
    if os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") != "1":
        return None
    return int(os.environ.get("RAY_SERVE_HAPROXY_METRICS_PORT", _RAYS_PORT))


def _error(said: dict[str, str | None]) -> str:
    return json.dumps({"error": said})
