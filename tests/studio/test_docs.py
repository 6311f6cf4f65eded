"""The API's document in a browser, on an endpoint that asks for keys."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.studio.axe import violations
from tests.studio.conftest import Secured

pytestmark = pytest.mark.integration


def test_calls_are_read_and_tried(open_studio: Any, secured: Secured) -> None:
    studio = open_studio(f"{secured.url}docs", bypass_csp=True)
    page = studio.page
    page.goto(studio.url)
    page.locator(".call").first.wait_for()
    document = httpx.get(f"{secured.url}openapi.json").json()
    calls = [(m, path) for path, found in document["paths"].items() for m in found]
    assert page.locator(".call .route").all_inner_texts() == [
        f"{method.upper()} {path}" for method, path in calls
    ]
    assert "integer, 1 to 64, default 1" in page.locator(".call").first.inner_text()

    page.get_by_label("API key").fill(secured.generate)
    with page.expect_response("**/v1/models"):
        page.keyboard.press("Enter")
    call = page.get_by_role("region", name="Generate images")
    call.get_by_text("Try it").click()
    call.get_by_label("Body").fill(json.dumps({"model": "tiny", "n": 3, "seed": 1}))
    call.get_by_role("button", name="Send").click()
    call.locator("img").nth(2).wait_for()
    assert "200 OK" in call.inner_text() and '"seed": 1' in call.locator("pre").inner_text()
    item = page.get_by_role("region", name="One item, permanently")
    item.get_by_text("Try it").click()
    item.get_by_role("button", name="Send").click()
    item.locator("img").wait_for()
    call.get_by_label("Body").fill("{}")
    call.get_by_role("button", name="Send").click()
    call.get_by_text("400 Bad Request").wait_for()

    assert secured.generate not in page.url + page.evaluate("JSON.stringify(localStorage)")
    assert not violations(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 375, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert not violations(page)
