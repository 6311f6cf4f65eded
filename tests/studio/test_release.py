"""The release report in a real browser: it opens from a file, and axe finds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc.sets.release.facts import ReleaseRequest, gather
from aigc.sets.release.page import render
from tests.sets.release.conftest import Shop, TrainedMaker
from tests.studio.axe import violations

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def page_file(digits_data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    maker = TrainedMaker(digits_data, "tiny-released")
    gates = {"degenerate": True, "realism": {"threshold": -1e9}}
    maker.finished(str(folder / "set"), gates=gates, include=["scores"])
    shop = Shop(str(folder / "set"), digits_data, maker)
    path = folder / "release.html"
    path.write_text(render(gather(shop.out, str(folder), ReleaseRequest())))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(browser: Any, page_file: Path, scheme: str, width: int) -> None:
    context = browser.new_context(
        bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert violations(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    context.close()


def test_it_opens_from_a_file_and_asks_for_nothing(browser: Any, page_file: Path) -> None:
    context = browser.new_context()
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("load")
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", page_file.as_uri()))] == []
    broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).length")
    assert broken == 0
    page.get_by_label("Name").fill("Ada Example")
    page.get_by_label("released", exact=True).check()
    context.close()
