"""Where an endpoint listens: as it was asked to, or as Serve runs there already."""

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
    """Raises PortTakenError when something else has it on this machine, SpecError when this
    machine has no such address."""
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
                f"port {spec.port} at {spec.host}: {error.strerror or error}; choose another"
            ) from None


def require_closed(spec: ServeSpec, notice: Notice = no_notice) -> tuple[str, int]:
    """Host and port: of Serve as it runs, which keeps those it was begun with.

    Raises:
        SpecError: others can reach it there and there are no keys.
    """
    client = _get_global_client(raise_if_no_controller_running=False)
    found = spec if client is None else client.http_config
    host, port = found.host or spec.host, found.port
    if (host, port) != (spec.host, spec.port):
        notice(f"Serve runs there already and listens at {host}, port {port}, not as asked")
    if reason := spec.open_at(host):
        raise SpecError(f"Serve listens as it was begun: {reason}")
    return host, port
