"""Addresses of Ray clusters: parses them, and checks that a cluster answers.

Ray itself waits for minutes, or indefinitely, at an address without a cluster.
"""

from __future__ import annotations

import http.client
import os
import re
from typing import Any
from urllib.parse import urlsplit

from aigc.errors import PlacementError, SpecError

# Ray is imported only where it is used: its import takes a second.

ANSWER_S = 10.0
"""Timeout of the answer of a cluster's control store, connecting included."""
_WEB_S = 3.0
_PORT = "give the port of the head's control store (HEAD:6379) as --address or RAY_ADDRESS"
_TOKEN = (
    "the cluster at {} requires a token, and it is missing or wrong; set RAY_AUTH_MODE=token, and "
    "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
)
_HOST_PORT = re.compile(r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.%\w]+\]):(?P<port>[0-9]{1,5})")


def named(address: str | None = None) -> str | None:
    """The cluster that `address` (an option) or RAY_ADDRESS names, without blanks around it.

    As Ray does, RAY_ADDRESS is preferred to `auto`. None: no cluster is named, or `local` is, so
    that work stays on this machine.
    """
    given = (address or "").strip()
    if given.lower() in ("", "auto"):
        given = os.environ.get("RAY_ADDRESS", "").strip() or given
    lower = given.lower()
    return None if lower in ("", "local") else "auto" if lower == "auto" else given


def head_of(address: str) -> str:
    """The host in any spelling of an address, `HEAD` where there is none."""
    host = _parts(address)[0]
    host = f"[{host}]" if ":" in host else host
    return host if re.fullmatch(r"[\w.-]+|\[[\w:.%]+\]", host) and host != "auto" else "HEAD"


def dashboard_of(address: str) -> str:
    """The URL that the dashboard of the same cluster has, on the port of `address` if it may be a
    dashboard's, else on Ray's usual one."""
    scheme, (host, port) = _scheme(address), _parts(address)
    if host and scheme in ("http", "https"):
        return f"{scheme}://{head_of(address)}" + (f":{port}" if port else "")
    usual = scheme or port in (None, 6379, 10001)
    return f"http://{head_of(address)}:{8265 if usual else port}"


def _scheme(address: str) -> str:
    return address.strip("\"' ").partition("://")[0].lower() if "://" in address else ""


def _parts(address: str) -> tuple[str, int | None]:
    address = address.strip("\"' ")
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def require_form(address: str) -> None:
    """Raises SpecError with the right form unless `address` is `auto` or HOST:PORT."""
    match = _HOST_PORT.fullmatch(address)
    if address == "auto" or (match and 0 < int(match["port"]) < 65536):
        return
    head = head_of(address)
    driver, dashboard = f"{head}:6379", dashboard_of(address)
    scheme = _scheme(address)
    if scheme in ("http", "https"):
        raise SpecError(
            f"address {address!r} is a dashboard's, which takes jobs only: aigc submit VERB "
            f"SPEC.yaml --address {dashboard}; to run a verb from here give {driver}"
        )
    if scheme == "ray":
        raise SpecError(
            f"address {address!r}: Ray Client is not supported; on a machine of the cluster give "
            f"{driver}, from elsewhere aigc submit VERB SPEC.yaml --address {dashboard}"
        )
    if re.fullmatch(r"[\w.-]+", address):
        raise SpecError(f"address {address!r} has no port; give {driver}")
    raise SpecError(
        f"address {address!r}: expected HOST:PORT of the cluster's head, for example "
        "10.0.0.1:6379, or auto"
    )


def require_cluster(address: str) -> str:
    """`address`, or the one `auto` stands for, once a cluster's control store has answered there.

    Raises:
        SpecError: it is not written as an address of a cluster.
        PlacementError: no cluster answers within `ANSWER_S`, the token is missing or wrong, or the
            cluster runs another version of Ray.
    """
    require_form(address)
    where = _resolved(address)
    found = _ray_version(where, where if address == "auto" else address)
    import ray  # noqa: PLC0415

    if found and found != ray.__version__:
        raise PlacementError(
            f"the cluster at {where} runs Ray {found}, this machine {ray.__version__}; install "
            "the same version on both"
        )
    return where


def _resolved(address: str) -> str:
    """The HOST:PORT that Ray goes to: for this machine its outer IP, however it was given."""
    from ray._private import services  # noqa: PLC0415

    if os.environ.get("RAY_ADDRESS", "").strip().lower() in ("", "auto"):
        os.environ.pop("RAY_ADDRESS", None)  # Ray would take " auto " or "Auto" for a host
    try:
        return str(services.canonicalize_bootstrap_address(address))
    except ConnectionError:
        raise PlacementError(
            "address 'auto': no Ray cluster runs on this machine; start one (ray start --head), "
            "give HEAD:6379, or leave the address out to use this machine alone"
        ) from None
    except (OSError, ValueError) as error:
        raise PlacementError(f"address {address!r}: {error}; give HEAD:6379") from None


def _ray_version(where: str, given: str) -> str:
    """The version of Ray that the control store at `where` runs. Raises PlacementError."""
    import grpc  # noqa: PLC0415
    from ray.exceptions import AuthenticationError  # noqa: PLC0415

    try:
        return str(_ask(where).ray_version)
    except grpc.RpcError as error:
        raise PlacementError(_refusal(where, given, error)) from None
    except AuthenticationError:
        raise PlacementError(_TOKEN.format(where)) from None
    except (OSError, RuntimeError, ValueError) as error:  # the user's certificates
        reason = " ".join(str(error).split())[:300]
        raise PlacementError(f"no connection to the cluster at {where}: {reason}") from None


def _ask(where: str) -> Any:
    from ray._private.grpc_utils import init_grpc_channel  # noqa: PLC0415
    from ray.core.generated import gcs_service_pb2 as messages  # noqa: PLC0415
    from ray.core.generated import gcs_service_pb2_grpc as services  # noqa: PLC0415

    # Ray reaches its clusters directly, whatever HTTP_PROXY says.
    with init_grpc_channel(where, [("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = services.NodeInfoGcsServiceStub(channel)  # type: ignore[no-untyped-call]
        question = messages.CheckAliveRequest()  # type: ignore[attr-defined]
        return stub.CheckAlive(question, timeout=ANSWER_S)


def _refusal(where: str, given: str, error: Any) -> str:
    code, details = error.code().name, " ".join(str(error.details()).split())
    if code == "UNAUTHENTICATED":
        return _TOKEN.format(where)
    if "http1.x" in details or _is_web_server(given):
        return (
            f"{given} is not a cluster's control store but a web server; if it is the dashboard, "
            f"it takes jobs (aigc submit VERB SPEC.yaml --address http://{given}); to run a verb "
            f"from here {_PORT}"
        )
    if code == "UNIMPLEMENTED":
        return f"{given} is not a cluster's control store (10001 is Ray Client's port); {_PORT}"
    if code == "DEADLINE_EXCEEDED":
        details = f"no answer within {ANSWER_S:g} s"
    reason = details.rpartition("last error: ")[2].rpartition(f"{where}: ")[2].strip("[]")[:200]
    shown = given if where == given else f"{given}, to Ray {where}"
    return f"no Ray cluster answers at {shown} ({reason}); {_PORT}, or unset it to use this machine"


def _is_web_server(where: str) -> bool:
    """Whether an HTTP/1 server listens at HOST:PORT."""
    connection = http.client.HTTPConnection(where, timeout=_WEB_S)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
