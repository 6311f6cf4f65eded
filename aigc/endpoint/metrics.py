"""What Prometheus scrapes: requests, latencies, the queue, batches, versions in use."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from aigc.endpoint.proxy_metrics import ProxyMetrics
from aigc.generation.gates.degenerate import reasons
from aigc.service.service import Service
from aigc.store.models import LATEST

_LATENCIES_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry an application, so that several can live in one process.

    A scrape through a proxy reaches one of several replicas; each gives its series its own label
    `replica`, so that they are counted apart.
    """

    def __init__(
        self, service: Service, replica: str | None = None, proxy_port: int | None = None
    ) -> None:
        self._proxy_port = proxy_port
        self._registry = CollectorRegistry(auto_describe=False)
        self._shown = CollectorRegistry(auto_describe=False)
        self._shown.register(_Labelled(self._registry, {"replica": replica} if replica else {}))
        self._registry.register(_ServiceCollector(service))
        self._requests = Counter(
            "aigc_http_requests", "Requests answered.", ("route", "code"), registry=self._registry
        )
        self._latency = Histogram(
            "aigc_http_request_seconds",
            "From the first byte in to the last byte out.",
            ("route",),
            buckets=_LATENCIES_S,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "aigc_http_in_flight", "Requests being answered now.", registry=self._registry
        )
        self._answers: dict[tuple[str, int], Counter] = {}
        self._latencies: dict[str, Histogram] = {}

    def answered(self, route: str, status: int, took_s: float) -> None:
        answers = self._answers.get((route, status))
        if answers is None:
            answers = self._answers[route, status] = self._requests.labels(route, str(status))
        latency = self._latencies.get(route)
        if latency is None:
            latency = self._latencies[route] = self._latency.labels(route)
        answers.inc()
        latency.observe(took_s)

    def text(self) -> bytes:
        """Not for an event loop: HAProxy is asked as well."""
        own = generate_latest(self._shown)
        if self._proxy_port is None:
            return own
        proxy = CollectorRegistry(auto_describe=False)
        proxy.register(ProxyMetrics(self._proxy_port))
        return own + generate_latest(proxy)


class _Labelled(Collector):
    """What `inner` has, with more labels."""

    def __init__(self, inner: CollectorRegistry, labels: dict[str, str]) -> None:
        self._inner, self._labels = inner, labels

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for family in self._inner.collect():
            family.samples = [
                sample._replace(labels={**sample.labels, **self._labels})
                for sample in family.samples
            ]
            yield family


class _ServiceCollector(Collector):
    """Reads the service when it is scraped; nothing is counted twice."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        if self._service.ready:
            yield from self._queue()
            yield from self._models()

    def _queue(self) -> Iterator[Metric]:
        batcher = self._service.batcher
        seen = batcher.stats
        counts = (
            ("aigc_images", "Pictures rendered.", seen.images),
            ("aigc_render_busy_seconds", "Time spent in rendering and encoding.", seen.busy_s),
            ("aigc_requests_cancelled", "Requests whose client disconnected.", seen.cancelled),
            ("aigc_queue_refusals", "Requests refused because the queue was full.", seen.refused),
        )
        for name, text, value in counts:
            yield CounterMetricFamily(name, text, value)
        yield GaugeMetricFamily(
            "aigc_queue_images", "Images waiting, in units of small ones.", seen.queued
        )
        yield GaugeMetricFamily(
            "aigc_queue_wait_seconds",
            "Expected wait of a request that enters now.",
            batcher.wait_s(),
        )
        yield _batch_sizes(dict(seen.rows))
        degenerate = CounterMetricFamily(
            "aigc_degenerate_images",
            "Rendered pictures that bulk jobs' gate for degenerate ones refuses.",
            labels=("reason",),
        )
        for reason in reasons():
            degenerate.add_metric([reason], seen.degenerate[reason])
        yield degenerate

    def _models(self) -> Iterator[Metric]:
        catalogue = self._service.catalogue
        names = ("model", "version")
        offered = GaugeMetricFamily(
            "aigc_model_version", "Version that a name stands for.", labels=names
        )
        for offer in catalogue.offers():
            offered.add_metric([offer.name, offer.version.version], 1)
        loaded = GaugeMetricFamily(
            "aigc_model_loaded_bytes", "Bytes of the model in memory.", labels=names
        )
        for model in catalogue.loaded():
            loaded.add_metric([model.version.name, model.version.version], model.size_bytes)
        unfit = GaugeMetricFamily(
            "aigc_model_unhealthy", "1 if the version failed its check.", labels=names
        )
        for failure in catalogue.failures():
            name, _, version = failure.ref.partition("@")
            unfit.add_metric([name, version or LATEST], 1)
        yield from (offered, loaded, unfit)


def _batch_sizes(rows: dict[int, int]) -> Metric:
    bounds = [
        (str(float(bound)), sum(n for size, n in rows.items() if size <= bound)) for bound in _ROWS
    ]
    total = float(sum(rows.values()))
    images = sum(size * count for size, count in rows.items())
    family = HistogramMetricFamily("aigc_batch_images", "Pictures rendered together.")
    family.add_metric([], buckets=[*bounds, ("+Inf", total)], sum_value=images)
    return family
