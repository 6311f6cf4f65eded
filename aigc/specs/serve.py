"""`aigc serve`: models, address, replicas and the limits of requests."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from aigc.audit.spec import Audit
from aigc.provenance.spec import Provenance
from aigc.specs.blocked import Blocked
from aigc.specs.gates import SafetyGate
from aigc.strict import Location, Spec

KEYS_VARIABLE = "AIGC_KEYS"


class Scaling(Spec):
    """Number of replicas. Each has every model, its own queue and its own renderer."""

    min_replicas: int = Field(1, ge=0)
    """0 stops the last replica when there are no requests; the next request then waits for a
    replica to start."""
    max_replicas: int = Field(1, ge=1)
    """Largest number of replicas."""
    target_ongoing_requests: float = Field(32, gt=0)
    """Average concurrent requests per replica above which another replica is started. Must be below
    `max_in_flight`."""
    upscale_delay_s: float = Field(10, ge=0)
    """Seconds for which more replicas must be needed before one is started."""
    downscale_delay_s: float = Field(120, ge=0)
    """Seconds for which fewer replicas must be needed before one is stopped."""
    look_back_period_s: float = Field(10, gt=0)
    """Window in seconds over which concurrent requests are averaged. Neither delay may be shorter,
    or replicas would start and stop needlessly."""
    drain_s: float = Field(60, gt=0)
    """Longest time in seconds that a stopping replica may take to finish its requests."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_replicas < max(1, self.min_replicas):
            raise ValueError(
                f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}"
            )
        if min(self.upscale_delay_s, self.downscale_delay_s) < self.look_back_period_s:
            raise ValueError(
                "upscale_delay_s and downscale_delay_s must not be below look_back_period_s = "
                f"{self.look_back_period_s:g}: replicas would start and stop needlessly"
            )
        return self


class ServedGates(Spec):
    """Checks on what the endpoint makes."""

    safety: SafetyGate | None = None
    """Replace items that a classifier finds unsafe by their next candidates, and refuse a request
    for an item whose candidates are all unsafe. `true` takes the defaults, `false` or null turns
    the gate off. Default: off. `policy` must be refuse."""
    max_draws: int = Field(20, ge=1, le=1000)
    """Candidates that may be generated for one item, 1..1000, as in `aigc generate`."""

    @field_validator("safety", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        return ({} if value else None) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _refuses(self) -> Self:
        if self.safety is not None and self.safety.policy == "flag":
            raise ValueError("safety.policy flag is for sets, which have a column for it; leave it")
        return self


class ServeSpec(Spec):
    RENAMED: ClassVar[dict[str, str]] = {
        "memory_bytes": "model_memory_bytes",
        "separate": "render_process",
        "wait_s": "startup_timeout_s",
        "watch_s": "poll_interval_s",
    }

    models: tuple[str, ...] = ()
    """NAME, NAME@ALIAS or NAME@VERSION, each name once. Default: every model of the store."""
    host: str = "127.0.0.1"
    """Address to listen on. The default accepts connections from this machine only."""
    port: int = Field(8000, ge=1, le=65535)
    """TCP port, 1..65535."""
    keys: str | None = None
    """Key file made by `aigc keys create`, local or s3://. Default: AIGC_KEYS of the
    environment."""
    insecure: bool = False
    """Allow a `host` that other machines can reach although there are no API keys."""
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] | None = None
    """Scheme, host and path prefix of the addresses in responses. Default: those of the request."""
    url_lifetime_s: float = Field(3600, gt=0)
    """Seconds for which the addresses of `response_format: url` open without a key. Only where keys
    are required."""
    sets: tuple[str, ...] = ()
    """Content sets, or folders of content sets, to show under /v1/sets and in the studio."""
    trace_indexes: tuple[Location, ...] = ()
    """Indexes made by `aigc index` that /v1/verify searches: folders on the machine of each
    replica."""
    trust_roots: tuple[Location, ...] = ()
    """PEM files of the certificates that Content Credentials are checked against, local or
    s3://."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose web pages may call the API, such as https://shop.example."""
    proxy: Literal["auto", "haproxy", "ray"] = "auto"
    """Proxy in front of the replicas: HAProxy, or Ray Serve's own. `auto` takes HAProxy if its
    binary is installed."""
    cpus_per_replica: float = Field(1, gt=0)
    """CPU cores reserved for each replica. A replica renders a second batch concurrently when one
    is waiting, so it may use more."""
    render_process: bool = True
    """On CPUs, render in a second process (about 300 MiB per replica), so that rendering does not
    delay HTTP responses."""
    gpus_per_replica: float = Field(0, ge=0)
    """GPUs reserved for each replica. A fraction lets several replicas share a GPU."""
    scaling: Scaling = Scaling()
    """How many replicas run."""
    startup_timeout_s: float = Field(600, gt=0)
    """Longest time in seconds to wait for the first replicas, for example while the cluster is busy
    or its autoscaler adds a node. 600 allows for the start of a node."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of the forward pass; part of an item's identity, as in `aigc generate`."""
    micro_batch: int = Field(128, ge=1, le=8192)
    """Items per forward pass, 1..8192; part of an item's identity, as in `aigc generate`."""
    model_memory_bytes: int = Field(2 * 2**30, ge=2**20)
    """Memory in bytes for model weights per replica. Above it, the least recently used model is
    unloaded."""
    provenance: Provenance = Provenance()
    """What each file states of its origin, and whether it is signed: for all models, as a set made
    with `aigc generate` and the same field."""
    max_n: int = Field(64, ge=1, le=4096)
    """Largest `n` (images per request)."""
    max_side: int = Field(2048, ge=1, le=8192)
    """Largest width or height of a requested image in pixels. The model's own size is always
    allowed."""
    max_pixels: int = Field(2**24, ge=1)
    """Largest `n` x width x height of a request; one image of the model's own size is always
    allowed. The default allows 16 images of 1024x1024."""
    max_in_flight: int = Field(128, ge=1)
    """Concurrent image requests per replica. More are refused with Retry-After."""
    max_queued_images: int = Field(4096, ge=1)
    """Images in a replica's queue; large images count as several. More are refused with
    Retry-After."""
    max_wait_s: float = Field(2.0, gt=0)
    """A request that would wait longer than this many seconds in the queue is refused with
    Retry-After. The limit is an eighth of this once the queue has been non-empty for a quarter of
    this time."""
    gates: ServedGates = ServedGates()
    """Checks that an image must pass to be delivered."""
    blocked: Blocked = Blocked()
    """Labels and words of prompts that are refused."""
    audit: Audit = Audit()
    """Log of refused requests."""
    poll_interval_s: Annotated[float, Field(gt=0)] = 5.0
    """Seconds between checks of a replica for moved aliases. On S3 a check costs two list requests
    per name, and one more if all models are served."""

    @model_validator(mode="after")
    def _models_in_the_store(self) -> Self:
        """Refuse folders, which have no aliases and whose name may be another model's."""
        for ref in self.models:
            if "/" in ref or ref.startswith((".", "~")):
                raise ValueError(
                    f"models: {ref} is a folder; name a model of the store, which AIGC_STORE sets"
                )
        names = [ref.partition("@")[0] for ref in self.models]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"models: {twice[0]} is named more than once; name each once")
        return self

    @field_validator("trace_indexes")
    @classmethod
    def _mapped_into_memory(cls, folders: tuple[str, ...]) -> tuple[str, ...]:
        for uri in folders:
            if uri.startswith("s3://"):
                raise ValueError(f"{uri} is not a folder of this machine; copy the index to one")
        return folders

    @model_validator(mode="after")
    def _without_prompts(self) -> Self:
        if self.provenance.prompts:
            raise ValueError(
                "provenance.prompts: an address stands for an item, whatever prompt asked for it; "
                "leave prompts out"
            )
        return self

    @model_validator(mode="after")
    def _scales_before_refusing(self) -> Self:
        wanted = self.scaling.target_ongoing_requests
        if self.scaling.max_replicas > 1 and wanted >= self.max_in_flight:
            raise ValueError(
                f"scaling.target_ongoing_requests {wanted:g} must be below max_in_flight "
                f"{self.max_in_flight}: a replica would refuse before another one is started"
            )
        return self

    @model_validator(mode="after")
    def _requires_keys(self) -> Self:
        if reason := self.open_at(self.host):
            raise ValueError(reason)
        return self

    def open_at(self, host: str) -> str | None:
        """The reason why the endpoint may not listen on `host`; None if it may."""
        if self.key_source or self.insecure or _is_loopback(host):
            return None
        return (
            f"host {host} can be reached from other machines and there are no keys; set keys "
            f"or {KEYS_VARIABLE} (aigc keys create), or set insecure to serve everyone"
        )

    @property
    def key_source(self) -> str | None:
        """The field `keys`, else the environment variable: a key file's URI, or its lines."""
        return self.keys or os.environ.get(KEYS_VARIABLE) or None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
