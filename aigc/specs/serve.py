"""`aigc serve`: which models, where they listen, how many replicas, and what they refuse."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aigc.strict import Spec

KEYS_VARIABLE = "AIGC_KEYS"


class Scaling(Spec):
    """How many replicas there are. Each holds every model, its own queue and its own engine."""

    min_replicas: int = Field(1, ge=0)
    """0 lets the last one go when nobody asks; the next request then waits for a start."""
    max_replicas: int = Field(1, ge=1)
    target_ongoing_requests: float = Field(32, gt=0)
    """Requests a replica works on at a time before another replica is started."""
    upscale_delay_s: float = Field(10, ge=0)
    downscale_delay_s: float = Field(120, ge=0)
    look_back_period_s: float = Field(10, gt=0)
    """Requests are averaged over so long. Delays below it make replicas come and go for nothing."""
    drain_s: float = Field(60, gt=0)
    """The longest a replica that goes may take to finish what it has begun."""

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


class ServeSpec(Spec):
    models: tuple[str, ...] = ()
    """name, name@alias or name@version, each name once; none means every name in the store."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    keys: str | None = None
    """A key file made by `aigc keys create`, local or s3://; or AIGC_KEYS in the environment."""
    insecure: bool = False
    """Listen beyond this machine without keys."""
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] | None = None
    """What permanent addresses begin with; none means as a request came."""
    url_lifetime_s: float = Field(3600, gt=0)
    """How long addresses by `response_format: url` open without a key, where keys are asked for."""
    sets: tuple[str, ...] = ()
    """Content sets to show under /v1/sets and in the studio, or folders of them."""
    cors_origins: tuple[str, ...] = ()
    proxy: Literal["auto", "haproxy", "ray"] = "auto"
    """What stands before the replicas: HAProxy where its binary is there, else Ray's own."""
    cpus_per_replica: float = Field(1, gt=0)
    """What a replica is placed by. It renders a second batch beside the first where one waits."""
    separate: bool = True
    """Render on CPUs in a process beside the one that answers, which takes some 300 MiB a replica:
    in one they wait for each other."""
    gpus_per_replica: float = Field(0, ge=0)
    """May be a fraction: several replicas share a GPU."""
    scaling: Scaling = Scaling()
    wait_s: float = Field(600, gt=0)
    """How long to wait for the first replicas where a cluster is busy, or has yet to add a node."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    micro_batch: int = Field(128, ge=1, le=8192)
    """As in bulk generation: part of an item's identity."""
    memory_bytes: int = Field(2 * 2**30, ge=2**20)
    """Room for models in a replica; the least recently used goes."""
    max_n: int = Field(64, ge=1, le=4096)
    """Pictures a request."""
    max_side: int = Field(2048, ge=1, le=8192)
    """Pixels a side of a picture that is asked for."""
    max_pixels: int = Field(2**24, ge=1)
    """Of all pictures of a request together; one at the model's own size may always be asked for.
    By default 10 of 1024x1024."""
    max_in_flight: int = Field(128, ge=1)
    """Requests for pictures a replica has at a time; more are refused with Retry-After."""
    max_queued_images: int = Field(4096, ge=1)
    max_wait_s: float = Field(2.0, gt=0)
    """A request that would wait longer in a replica's queue is refused with Retry-After; an eighth
    of it where the queue has not been empty for a quarter of it."""
    watch_s: Annotated[float, Field(gt=0)] = 5.0
    """How often replicas look whether an alias moved; on S3 a look is two list requests a name, and
    one more where all names are served."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        """A folder has no aliases to follow, and the store may have another model of its name."""
        for ref in self.models:
            if "/" in ref or ref.startswith((".", "~")):
                raise ValueError(
                    f"models: {ref} is a folder; name a model of the store, which AIGC_STORE sets"
                )
        names = [ref.partition("@")[0] for ref in self.models]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"models: {twice[0]} is named more than once; name each once")
        return self

    @model_validator(mode="after")
    def _growing(self) -> Self:
        wanted = self.scaling.target_ongoing_requests
        if self.scaling.max_replicas > 1 and wanted >= self.max_in_flight:
            raise ValueError(
                f"scaling.target_ongoing_requests {wanted:g} must be below max_in_flight "
                f"{self.max_in_flight}: a replica would refuse before another one is started"
            )
        return self

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if reason := self.open_at(self.host):
            raise ValueError(reason)
        return self

    def open_at(self, host: str) -> str | None:
        """Why the endpoint may not listen at `host`, if it may not."""
        if self.key_source or self.insecure or _is_loopback(host):
            return None
        return (
            f"host {host} can be reached from other machines and there are no keys; set keys "
            f"or {KEYS_VARIABLE} (aigc keys create), or insecure to let everyone use it"
        )

    @property
    def key_source(self) -> str | None:
        """Where the keys come from: the field, else the environment (which may hold the lines)."""
        return self.keys or os.environ.get(KEYS_VARIABLE) or None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
