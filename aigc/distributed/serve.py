"""The endpoint on Ray Serve: replicas that hold the whole service, and a proxy before them.

There is one deployment. A replica has the ASGI application, the queue and the engine in one
process, so a request is not handed from an ingress to a model, and no picture passes through the
object store. It reports ready when its models are loaded and warm.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
import yaml
from ray import serve
from ray.serve._private.logging_utils import get_serve_logs_dir
from ray.serve.api import _run
from ray.serve.config import AutoscalingConfig, HTTPOptions
from ray.serve.schema import ServeDeploySchema

from aigc import storage
from aigc.distributed import bind_check, proxy_admission, proxy_failover, replicas
from aigc.distributed.content_rules import (
    log_start,
    require_content_rules,
    with_absolute_paths,
)
from aigc.distributed.proxy_admission import APPLICATION
from aigc.distributed.rate_limiter import ClusterRateLimiter
from aigc.distributed.runtime import is_on_cluster
from aigc.distributed.serve_settings import endpoint_settings, keys_of, service_settings
from aigc.distributed.session import connect
from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.errors import SpecError
from aigc.service import keys
from aigc.service.origin import absolute, require_signer
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.service.verification import Verifier
from aigc.specs import ServeSpec
from aigc.specs import build as build_spec
from aigc.store import ModelStore
from aigc.types import Json, Notice, no_notice

_KEEP_ALIVE_S = 75
_POLL_S = 0.1
_QUIET = {"log_level": "WARNING", "enable_access_log": False}
"""The endpoint writes an access log of its own."""


@serve.ingress()
class Endpoint:
    """A replica."""

    def __init__(self, service: ServiceSettings, endpoint: EndpointSettings) -> None:
        self._service, self._settings = Service(service), endpoint
        self._service.start()

    def __serve_build_asgi_app__(self) -> Any:
        name = serve.get_replica_context().replica_id.unique_id
        file = f"{access_logs()}/aigc-access-{name}.jsonl"
        settings = dataclasses.replace(
            self._settings,
            replica=name,
            access_log_file=file,
            proxy_metrics_port=proxy_admission.metrics_port(),
            adds_id=False,
        )
        return create_app(self._service, settings, ClusterRateLimiter())

    def check_health(self) -> None:
        """Serve replaces a replica whose queue no longer moves."""
        if not self._service.ready:
            raise RuntimeError(
                "rendering has stopped: a batch exceeded its time limit or the service failed; "
                "the replica is replaced"
            )


def access_logs() -> str:
    """The folder of each machine where its replicas write what they answered.

    Through their stdout Ray would bring every line to the driver, at a tenth of a request's cost.
    """
    return get_serve_logs_dir()


def application(spec: ServeSpec, store: str | None = None) -> serve.Application:
    """What Serve runs. Ongoing requests may be many: the replica's own queue refuses in time."""
    scaling = spec.scaling
    options: dict[str, Any] = {
        "num_cpus": spec.cpus_per_replica,
        "num_gpus": spec.gpus_per_replica,
    }
    deployment = serve.deployment(
        name="Endpoint",
        ray_actor_options=options,
        max_ongoing_requests=_ongoing(spec),
        autoscaling_config=AutoscalingConfig(
            min_replicas=scaling.min_replicas,
            initial_replicas=max(1, scaling.min_replicas),
            max_replicas=scaling.max_replicas,
            target_ongoing_requests=scaling.target_ongoing_requests,
            upscale_delay_s=scaling.upscale_delay_s,
            downscale_delay_s=scaling.downscale_delay_s,
            look_back_period_s=scaling.look_back_period_s,
            metrics_interval_s=min(2.0, scaling.look_back_period_s / 2),
        ),
        graceful_shutdown_timeout_s=scaling.drain_s,
        health_check_period_s=5,
        logging_config=_QUIET,
    )(Endpoint)
    return deployment.bind(service_settings(spec, store), endpoint_settings(spec))


def from_config(args: Json) -> serve.Application:
    """The application of a declarative config (`import_path: aigc.distributed.serve:from_config`,
    whose `args` are the fields of a `ServeSpec` and `store`).

    Raises:
        SpecError: the args are wrong, or Serve listens where it needs keys and there are none.
    """
    values = dict(args)
    store = values.pop("store", None)
    spec = build_spec(ServeSpec, values)
    if ray.is_initialized():  # where it is deployed
        bind_check.require_closed(spec)
    return application(spec, store)


def export_config(spec: ServeSpec, notice: Notice = no_notice) -> str:
    """The YAML that `serve deploy` and a RayService take; checked against Ray's own schema.

    It says where it listens, so that whoever deploys it needs keys as much as who exports it.
    Keys that the environment holds themselves stay there, to be set on the nodes.
    """
    spec = with_absolute_paths(spec)
    given = spec.model_dump(mode="json", exclude_defaults=True, exclude={"port", "proxy"})
    given["host"] = spec.host
    for name in ("sets", "trace_indexes", "trust_roots"):
        if places := getattr(spec, name):
            given[name] = list(map(storage.absolute, places))
    if spec.provenance.credentials is not None:
        dumped = absolute(spec.provenance).model_dump(mode="json", exclude_defaults=True)
        given["provenance"] = dumped
    if (source := keys_of(spec)) and not keys.are_lines(source):
        given["keys"] = source
    config: Json = {
        "proxy_location": "EveryNode",
        "http_options": {"host": spec.host, "port": spec.port, **_http_limits()},
        "applications": [
            {
                "name": APPLICATION,
                "route_prefix": "/",
                "import_path": "aigc.distributed.serve:from_config",
                "args": {**given, "store": ModelStore().uri},
            }
        ],
    }
    ServeDeploySchema.model_validate(config)
    if fields := " and ".join(proxy_admission.settings(spec)):
        notice(
            f"{fields}: the nodes' HAProxy knows only what `aigc serve --export-environment` was "
            "given there; give it the same settings"
        )
    return yaml.safe_dump(config, sort_keys=False)


@contextmanager
def running(
    spec: ServeSpec, address: str | None = None, notice: Notice = no_notice
) -> Iterator[str]:
    """The endpoint, up inside the block; the URL, once the first replica is ready.

    Raises:
        StoreError, SpecError: a model or the key file is missing, or Serve runs already and listens
            where keys are needed. PlacementError: the port is taken, or no replica can be placed.
            JobError: none started.
    """
    on_cluster = is_on_cluster(address)
    check(spec, on_cluster)
    if (source := keys_of(spec)) and (warning := keys.exposed(source)):
        notice(warning)
    if not on_cluster:
        replicas.require_capacity_here(spec)
    with connect(address, relay=False):  # Serve reports a failed replica by tracebacks
        replicas.require_capacity(spec)
        _hear_sigterm()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        options = HTTPOptions(host=spec.host, port=spec.port, **_http_limits())
        with replicas.proxies_in_time():
            serve.start(http_options=options, logging_config=_QUIET)
        ours = APPLICATION not in serve.status().applications
        if not ours:
            notice("an endpoint is already running there; its replicas are replaced one by one")
        host, port = bind_check.require_closed(spec, notice)
        try:
            _run(application(spec, ModelStore().uri), _blocking=False, name=APPLICATION)
            replicas.wait(spec, notice)
            ours = True
            yield f"http://{host}:{port}"
        finally:
            if ours:  # what ran before is not ended because nothing took its place
                _end(spec)


def _hear_sigterm() -> None:
    """As a Python program does. Ray's handler leaves a driver three seconds, then aborts it."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


def _end(spec: ServeSpec) -> None:
    _drain(spec.scaling.drain_s)
    if not serve.status().applications:  # a cluster may serve others' as well
        serve.shutdown()  # type: ignore[no-untyped-call]


def _drain(longest_s: float) -> None:
    """Let replicas finish what they have; to shut Serve down at once would cut it off."""
    deadline = time.monotonic() + longest_s
    serve.delete(APPLICATION, _blocking=False)
    while APPLICATION in serve.status().applications and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def check(spec: ServeSpec, on_cluster: bool = False) -> None:
    """See at once what would otherwise fail in a replica, or where it listens on this machine."""
    store = ModelStore()
    for ref in spec.models:
        store.resolve(ref)
    if not (spec.models or store.names()):
        raise SpecError(f"models: the store {store.uri} has none; train one, or set AIGC_STORE")
    if source := keys_of(spec):
        keys.KeyRing(source)
    for uri in spec.sets:
        if not (storage.is_s3(uri) or storage.exists(uri)):
            raise SpecError(
                f"sets = {uri}: not found; name a content set or a folder of content sets"
            )
    require_content_rules(spec)
    if not on_cluster:
        require_signer(spec.provenance)
        settings = endpoint_settings(spec)
        Verifier(settings.trace_indexes, settings.trust_roots)
        bind_check.require_port(spec)
    log_start(spec)


def _ongoing(spec: ServeSpec) -> int:
    return max(512, spec.max_queued_images)


def _http_limits() -> dict[str, Any]:
    return {
        "request_timeout_s": float(proxy_failover.REQUEST_S),
        "keep_alive_timeout_s": _KEEP_ALIVE_S,
    }
