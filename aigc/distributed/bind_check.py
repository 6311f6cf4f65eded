"""Checks the address on which an endpoint listens, before it starts."""

from __future__ import annotations

import errno
import socket

from ray.serve.context import _get_global_client

from aigc.errors import PlacementError, SpecError
from aigc.specs import ServeSpec
from aigc.types import Notice, no_notice

_TAKEN = errno.EADDRINUSE, errno.EACCES


class PortTakenError(PlacementError):
    exit_code = 1


def require_port(spec: ServeSpec) -> None:
    """Raises PortTakenError if the port is in use on this machine, SpecError if the host is not an
    address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((spec.host, spec.port))
        except OSError as error:
            if error.errno not in _TAKEN:
                raise SpecError(
                    f"host = {spec.host}: {error.strerror or error}; expected an IPv4 address or "
                    "name of this machine"
                ) from None
            raise PortTakenError(
                f"port {spec.port} at {spec.host}: {error.strerror or error}; choose another port"
            ) from None


def require_closed(spec: ServeSpec, notice: Notice = no_notice) -> tuple[str, int]:
    """Return the host and port of Ray Serve. A Serve that runs already keeps its own.

    Raises:
        SpecError: other machines can reach that host and there are no keys.
    """
    client = _get_global_client(raise_if_no_controller_running=False)
    found = spec if client is None else client.http_config
    host, port = found.host or spec.host, found.port
    if (host, port) != (spec.host, spec.port):
        notice(
            f"Ray Serve runs there already and keeps its address {host}:{port}; to change it, "
            "shut Serve down first"
        )
    if reason := spec.open_at(host):
        raise SpecError(f"Ray Serve runs there already with its own address: {reason}")
    return host, port
