"""What axe finds wrong with a page: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

from typing import Any

import pytest


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """Rules that the page breaks, and where. The page must have been opened with bypass_csp."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [(rule["id"], [node["html"][:90] for node in rule["nodes"]]) for rule in found]
