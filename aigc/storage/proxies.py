"""The HTTP proxy that the environment puts before an address, to be named where a request fails."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass


def proxy_of(url: str) -> tuple[str, str] | None:
    """The variable that names a proxy for `url` and its value without credentials; None: none.

    Lower case comes first and NO_PROXY is obeyed, as requests, botocore and urllib do.
    """
    parts = urlsplit(url)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if os.environ.get(name)), None)
    if name is None or not parts.hostname or proxy_bypass(parts.hostname):
        return None
    scheme, separator, rest = os.environ[name].rpartition("://")
    return name, f"{scheme}{separator}{rest.rpartition('@')[2]}"


def through(url: str) -> str:
    """` through the proxy …`, to stand after "does not answer"; empty where there is none."""
    found = proxy_of(url)
    return f" through the proxy {found[1]} ({found[0]})" if found else ""


def way_around(url: str) -> str:
    """`; to reach … directly set NO_PROXY=…`, to end a message; empty where there is no proxy."""
    if not proxy_of(url):
        return ""
    host = urlsplit(url).hostname
    return f"; to reach it without the proxy set NO_PROXY={host}"
