"""What the HAProxy of this machine answered, as it says itself, beside a replica's own metrics."""

from __future__ import annotations

import http.client
import socket
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_PATIENCE_S = 0.5
_PATH = "/metrics?scope=frontend&scope=server"
_FRONTEND, _SERVER = "haproxy_frontend_http_responses", "haproxy_server_http_responses"
_PROXY = "http_frontend"
_SAME = "All replicas of a machine say the same: take the max by host."


class ProxyMetrics(Collector):
    """Empty where there is no HAProxy, or one that does not answer at once."""

    def __init__(self, port: int) -> None:
        """Asks the HAProxy whose metrics are on the loopback `port`; not for an event loop."""
        try:
            self._families = list(_families(_read(port)))
        except (OSError, http.client.HTTPException, ValueError):
            self._families = []

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _read(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", _PATH)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _families(text: str) -> Iterator[Metric]:
    """What no server answered HAProxy answered itself."""
    answered: dict[str, Counter[str]] = {_FRONTEND: Counter(), _SERVER: Counter()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.name in answered else ():
            if family.name == _SERVER or sample.labels["proxy"] == _PROXY:
                answered[family.name][sample.labels["code"]] += int(sample.value)
    host = socket.gethostname()
    responses = CounterMetricFamily(
        "aigc_proxy_responses", f"Answers through HAProxy. {_SAME}", labels=("host", "code")
    )
    for code, count in answered[_FRONTEND].items():
        responses.add_metric([host, code], count)
    refusals = CounterMetricFamily(
        "aigc_proxy_refusals",
        f"Requests that HAProxy answered 503 by itself: no place, or no replica. {_SAME}",
        labels=("host",),
    )
    own = answered[_FRONTEND]["5xx"] - answered[_SERVER]["5xx"]
    refusals.add_metric([host], max(0, own))
    if responses.samples:
        yield from (responses, refusals)
