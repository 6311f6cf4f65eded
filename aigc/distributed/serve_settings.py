"""Settings of the service and of its HTTP application, from what a user writes."""

from __future__ import annotations

from aigc import storage
from aigc.audit import open_log
from aigc.distributed import proxy_failover
from aigc.distributed.content_rules import content_rules
from aigc.endpoint.settings import EndpointSettings
from aigc.service import keys
from aigc.service.origin import absolute
from aigc.service.settings import ServiceSettings
from aigc.specs import ServeSpec


def service_settings(spec: ServeSpec, store: str | None) -> ServiceSettings:
    return ServiceSettings(
        models=spec.models,
        store=store,
        device="cuda" if spec.gpus_per_replica else "cpu",
        precision=spec.precision,
        micro_batch=spec.micro_batch,
        threads=max(1, int(spec.cpus_per_replica) // ServiceSettings.render_threads),
        render_process=spec.render_process,
        model_memory_bytes=spec.model_memory_bytes,
        poll_interval_s=spec.poll_interval_s,
        max_queued_images=spec.max_queued_images,
        max_wait_s=spec.max_wait_s,
        provenance=absolute(spec.provenance),
        max_n=spec.max_n,
        max_side=spec.max_side,
        max_pixels=spec.max_pixels,
        **content_rules(spec),
    )


def keys_of(spec: ServeSpec) -> str | None:
    source = spec.key_source
    return source if source is None or keys.are_lines(source) else storage.absolute(source)


def endpoint_settings(spec: ServeSpec) -> EndpointSettings:
    return EndpointSettings(
        max_in_flight=spec.max_in_flight,
        request_s=float(proxy_failover.REQUEST_S),
        keys=keys_of(spec),
        public_url=spec.public_url,
        url_lifetime_s=spec.url_lifetime_s,
        sets=tuple(map(storage.absolute, spec.sets)),
        trace_indexes=tuple(map(storage.absolute, spec.trace_indexes)),
        trust_roots=tuple(map(storage.absolute, spec.trust_roots)),
        cors_origins=spec.cors_origins,
        audit=open_log(spec.audit),
    )
