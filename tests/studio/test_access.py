"""Who may see the studio's images, and who can use it: keys, keyboard, small screens, axe."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.studio.axe import violations
from tests.studio.conftest import Secured
from tests.studio.test_taking import downloaded

pytestmark = pytest.mark.integration

VIEWS = ["Samples", "Walk", "Variations", "Favourites", "Sets"]


def test_without_a_key_it_asks_and_with_one_it_works(open_studio: Any, secured: Secured) -> None:
    secret = secured.generate
    studio = open_studio(secured.url).open()
    page = studio.page
    page.get_by_role("button", name="Enter an API key").click()
    page.get_by_label("Key", exact=True).fill("aigc-wrong")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Enter an API key").click()
    page.get_by_label("Key", exact=True).fill(secret)
    page.keyboard.press("Enter")
    studio.tiles(count=8)
    page.get_by_role("button", name="Code").click()
    assert secret not in page.content() and "$AIGC_API_KEY" in page.locator("#curl").inner_text()
    page.keyboard.press("Escape")
    studio.tiles().nth(0).dblclick()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.locator("#look-status", has_text="opens without a key for 60 min").wait_for()
    copied = httpx.get(page.evaluate("navigator.clipboard.readText()"))
    assert (copied.status_code, copied.headers["content-type"]) == (200, "image/png")
    assert copied.content == downloaded(page, "#look-download")
    page.keyboard.press("Escape")
    studio.tiles().nth(0).focus()
    page.keyboard.press("f")
    assert secret not in page.evaluate("JSON.stringify(localStorage)") + page.url
    page.reload()
    studio.tiles(count=8)
    page.get_by_role("button", name="API key").click()
    page.get_by_role("button", name="Forget key").click()
    page.get_by_role("button", name="Enter an API key").wait_for()


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def tab_to(page: Any, wanted: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == wanted:
            return
    raise AssertionError(f"Tab never reaches {wanted}")


def test_everything_is_reached_by_keyboard(open_studio: Any) -> None:
    studio = open_studio().open()
    page = studio.page
    tiles = studio.tiles(count=8)
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    page.keyboard.press("Enter")
    assert focused(page) == "content" and "seed=7" in page.url
    tab_to(page, tiles.nth(0).text_content().strip())
    at = "[...document.querySelectorAll('#samples [role=option]')].indexOf(document.activeElement)"
    columns = page.evaluate("getComputedStyle(samples).gridTemplateColumns.split(' ').length")
    for key, place in [
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowUp", 1),
        ("ArrowLeft", 0),
        ("ArrowLeft", 0),
        ("End", 7),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        assert page.evaluate(at) == place, key
    assert page.locator("#samples [tabindex='0']").count() == 1
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.locator("#samples [aria-selected=true]").count() == 2
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("ArrowRight")
    assert "two 2" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_function(f"{at} === 2")
    tab_to(page, "Walk")
    page.keyboard.press("Enter")
    page.locator("#walk-strip li").nth(11).wait_for()
    assert focused(page) == "tab-walk"
    page.keyboard.press("ArrowLeft")
    assert focused(page) == "tab-samples"
    page.keyboard.press("ArrowLeft")
    assert focused(page) == "tab-sets"


def test_focus_is_seen(open_studio: Any) -> None:
    studio = open_studio().open()
    studio.tiles(count=8)
    for _ in range(30):
        studio.page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        if studio.page.evaluate("document.activeElement.matches('.chips input')"):
            style = "getComputedStyle(document.activeElement.closest('label'))"
        width = studio.page.evaluate(f"parseFloat({style}.outlineWidth)")
        assert width >= 2, focused(studio.page)


def test_the_theme_follows_the_system_until_one_is_chosen(open_studio: Any) -> None:
    studio = open_studio(color_scheme="dark").open()
    page, ground = studio.page, "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme: System").click()
    light = page.evaluate(ground)
    assert sum(map(int, light[4:-1].split(", "))) > 600 > sum(map(int, dark[4:-1].split(", ")))
    page.reload()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme: Light").click()
    assert page.evaluate(ground) == dark


def test_a_phone_shows_all_of_it(open_studio: Any) -> None:
    studio = open_studio(
        viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True
    ).open()
    page = studio.page
    tiles = studio.tiles(count=8)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 375
    assert not page.get_by_label("Seed", exact=True).is_visible()
    page.get_by_role("button", name="Settings").tap()
    page.get_by_label("Seed", exact=True).fill("8")
    page.get_by_text("8 images of seed 8.").wait_for()
    page.get_by_role("button", name="Settings").tap()
    tiles.nth(0).tap()
    tiles.nth(1).tap()
    page.get_by_role("button", name="Walk").tap()
    page.locator("#walk-strip li").nth(11).wait_for()
    for view in VIEWS:
        page.get_by_role("tab", name=view).tap()
        assert page.evaluate(width) == 375, view


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_axe_finds_nothing(open_studio: Any, scheme: str, width: int) -> None:
    size = {"width": width, "height": 860}
    studio = open_studio(
        color_scheme=scheme, viewport=size, bypass_csp=True, reduced_motion="reduce"
    )
    page = studio.open().page

    def check(what: str) -> None:
        told = violations(page)
        assert not told, f"{what}: {told}"

    tiles = studio.tiles(count=8)
    check("samples")
    tiles.nth(0).click()
    tiles.nth(1).click()
    page.keyboard.press("f")
    check("selected")
    page.get_by_role("button", name="Walk").click()
    page.locator("#walk-strip li").nth(11).wait_for()
    for view in VIEWS[1:]:
        page.get_by_role("tab", name=view).click()
        if view == "Favourites":
            studio.tiles("kept", count=1)
        if view == "Sets":
            page.get_by_role("button", name="Open shop").wait_for()
        check(view)
    page.get_by_role("button", name="Open shop").click()
    studio.tiles("set-items", count=48)
    page.get_by_text("Report", exact=True).click()
    check("a set")
    page.get_by_role("tab", name="Samples").click()
    for opener, title in [("Code", "The same images"), ("API key", "API key")]:
        page.get_by_role("button", name=opener, exact=True).click()
        page.get_by_role("dialog", name=title).wait_for()
        check(opener)
        page.keyboard.press("Escape")
    studio.tiles().nth(0).dblclick()
    check("one image")
    page.keyboard.press("Escape")
    if width < 800:
        page.get_by_role("button", name="Settings").click()
    page.get_by_text("Files and model card").click()
    check("settings")
