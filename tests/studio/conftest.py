from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aigc.endpoint.settings import EndpointSettings
from aigc.job.plan import Job
from aigc.service.keys import create
from tests.endpoint.conftest import Endpoint
from tests.endpoint.conftest import client as client  # noqa: PLC0414
from tests.endpoint.conftest import models as models  # noqa: PLC0414
from tests.sets.conftest import SetMaker
from tests.studio.chromium import Studio, chromium

MAX_N = 20
LIMITS = {"max_n": MAX_N, "max_side": 64, "max_pixels": 2**15}
BIG_SEED = 2**53 + 1
"""Beyond what JavaScript's numbers hold."""


@dataclass(frozen=True)
class Content:
    """Sets in one folder: `shop` of 100 items, `half` of which two shards of four are there."""

    folder: Path
    maker: SetMaker
    half: Job


@pytest.fixture(scope="session")
def content(models: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Content:
    folder, maker = tmp_path_factory.mktemp("content"), SetMaker()
    maker.version = models.store.resolve("tiny@v1")
    maker.tensors = models.store.load(maker.version)
    maker.finished(str(folder / "shop"), micro_batch=32, truncation=0.8)
    half = maker.start(str(folder / "half"), codec="webp", seed=BIG_SEED)
    maker.shards(str(folder / "half"), half, [0, 1])
    return Content(folder, maker, half)


@pytest.fixture(scope="session")
def url(models: Endpoint, content: Content) -> Iterator[str]:
    endpoint = EndpointSettings(access_log=False, sets=(str(content.folder),))
    with models.running(endpoint=endpoint, precision="fp32", **LIMITS) as client:
        yield f"{client.base_url}/"


@dataclass(frozen=True)
class Secured:
    """The same endpoint where keys are asked for, and keys by their scopes."""

    url: str
    generate: str
    batch: str


@pytest.fixture(scope="session")
def secured(
    models: Endpoint, content: Content, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    keys = str(tmp_path_factory.mktemp("keys") / "keys.jsonl")
    made = [create(keys, scopes)[0] for scopes in (["generate"], ["generate", "batch"])]
    endpoint = EndpointSettings(keys=keys, access_log=False, sets=(str(content.folder),))
    with models.running(endpoint=endpoint) as client:
        yield Secured(f"{client.base_url}/", *made)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Gone before other tests run: Playwright leaves an event loop running in their thread."""
    with chromium() as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Python 3.11 cannot parse sources, to show them, beside Playwright's greenlets."""
    option = item.config.option
    before, option.tbstyle = option.tbstyle, "native"
    try:
        return (yield)
    finally:
        option.tbstyle = before


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
