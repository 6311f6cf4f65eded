"""How the service appears over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field

from aigc.audit import AuditLog

EXPOSED = ("x-request-id", "retry-after", "retry-after-ms", "idempotent-replayed")
"""Headers that pages of other origins may read."""


@dataclass(frozen=True)
class EndpointSettings:
    keys: str | None = None
    """A key file's path or s3:// URI, or its lines; none lets everybody in."""
    public_url: str | None = None
    """What permanent addresses begin with; none means as the request came."""
    url_lifetime_s: float = 3600.0
    """How long addresses open without a key where keys are asked for."""
    sets: tuple[str, ...] = ()
    """Content sets to show, or folders of them; local or s3://."""
    trace_indexes: tuple[str, ...] = ()
    """Folders made by `aigc index`, on this machine."""
    trust_roots: tuple[str, ...] = ()
    """PEM files of the certificates that Content Credentials are checked against."""
    replica: str | None = None
    """Which of several processes this is, for its metrics."""
    proxy_metrics_port: int | None = None
    """Where the HAProxy of this machine tells on loopback what it answered, if there is one."""
    adds_id: bool = True
    """Whether answers get their X-Request-ID here; Ray Serve adds it to what it answers."""
    cors_origins: tuple[str, ...] = ()
    max_in_flight: int = 128
    """Requests for pictures at a time in one process; more are refused before anything else."""
    max_others: int = 512
    """The same for all other requests."""
    max_json_bytes: int = 256 * 2**10
    max_upload_bytes: int = 20 * 2**20
    body_timeout_s: float = 30.0
    """The longest a client may take to send its request."""
    request_s: float = 300.0
    """The longest a request may take, its answer included."""
    idempotency_s: float = 3600.0
    idempotency_bytes: int = 64 * 2**20
    access_log: bool = True
    access_log_file: str | None = None
    """Where its lines go instead of stdout; five older files are kept beside it."""
    keys_refresh_s: float = 2.0
    audit: AuditLog = field(default_factory=AuditLog)
    """Where refused requests are logged."""
