"""The configuration that the installed Ray would write for HAProxy, to be looked at before it does.

Ray Serve reads its settings when it is imported, so its template is read as a file.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any


def rendered(ray: str, application: str) -> str | None:
    """As for a deployed `application`; None where the Ray in the folder `ray` has no such template.

    Values that do not matter are empty.
    """
    import jinja2  # noqa: PLC0415

    try:
        found = runpy.run_path(str(Path(ray, "serve", "_private", "haproxy_templates.py")))
        environment = jinja2.Environment(undefined=jinja2.ChainableUndefined)
        environment.filters["haproxy_fmt"] = str
        template = environment.from_string(found["HAPROXY_CONFIG_TEMPLATE"])
        return template.render(**_values(application))
    except (OSError, KeyError, jinja2.TemplateError):
        return None


def _values(application: str) -> dict[str, Any]:
    backend = {"name": f"http-{application}", "path_prefix": "/", "servers": []}
    config = {
        "metrics_enabled": True,
        "metrics_port": 9101,
        "stats_port": 8404,
        "frontend_host": "0.0.0.0",
        "frontend_port": 8000,
        "maxconn": 100,
        "socket_path": "/admin.sock",
        "error_file_path": "/500.http",
    }
    health = [{"backend": backend, "health_config": {}}]
    return {"config": config, "backends": [backend], "backends_with_health_config": health}
