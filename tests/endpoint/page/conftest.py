from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.endpoint.conftest import Endpoint
from tests.endpoint.page.chromium import Studio, chromium

MAX_N = 32


@pytest.fixture(scope="module")
def url(models: Endpoint) -> Iterator[str]:
    with models.running(max_n=MAX_N) as client:
        yield f"{client.base_url}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_studio(browser: Any, url: str) -> Iterator[Callable[..., Studio]]:
    """A function that makes a page of its own: open_studio(address, **context options)."""
    opened: list[Studio] = []

    def opening(address: str = url, **options: Any) -> Studio:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}} | options)
        opened.append(Studio(context.new_page(), address))
        return opened[-1]

    yield opening
    for studio in opened:
        studio.page.context.close()
        assert not studio.errors


@pytest.fixture
def studio(open_studio: Callable[..., Studio]) -> Studio:
    return open_studio()
