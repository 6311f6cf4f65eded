"""Content sets in the studio: followed while they are made, opened, taken from."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import httpx
import pytest

from aigc.output import commit
from aigc.sets import read
from tests.studio.chromium import Studio
from tests.studio.conftest import BIG_SEED, MAX_N, Content, Secured
from tests.studio.test_taking import downloaded

pytestmark = pytest.mark.integration


def opened(studio: Studio, name: str, count: int) -> Any:
    studio.page.get_by_role("tab", name="Sets").click()
    studio.page.get_by_role("button", name=f"Open {name}").click()
    return studio.tiles("set-items", count=count)


def test_a_job_is_followed_to_its_end(studio: Studio, content: Content) -> None:
    page = studio.open().page
    page.get_by_role("tab", name="Sets").click()
    card = page.locator("#set-list li").first
    card.get_by_text("Running · 64 of 100").wait_for()
    assert card.get_by_role("progressbar").get_attribute("value") == "0.64"
    page.get_by_text("2 sets, 1 running.").wait_for()
    page.get_by_role("button", name="Open half").focus()
    content.maker.shards(str(content.folder / "half"), content.half, [2])
    card.get_by_text("Running · 96 of 100").wait_for()
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Open half", "what has the focus keeps it"
    page.keyboard.press("Enter")
    studio.tiles("set-items", count=48)
    page.get_by_role("button", name="Next items").click()
    page.get_by_text("48 to 95").wait_for()
    page.get_by_role("button", name="All sets").click()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Open half"


def test_its_gallery_is_what_is_stored(studio: Studio, content: Content) -> None:
    page = studio.open().page
    tiles = opened(studio, "shop", 48)
    page.get_by_label("Label", exact=True).select_option("two")
    page.get_by_text("2 to 98").wait_for()
    assert {text.split()[0] for text in studio.captions("set-items")} == {"two"}
    out = str(content.folder / "shop")
    job, records = commit.read_job(out), commit.read_records(out)
    wanted = read.items(out, job, records, range(2, 100, 4))
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        rows = json.loads(archive.read("manifest.json"))["items"]
        assert [archive.read(row["file"]) for row in rows] == list(wanted.values())
    assert (rows[1]["source"], rows[1]["index"]) == ("shop", 6) and rows[1]["id"]
    tiles.nth(1).dblclick()
    assert downloaded(page, "#look-download") == wanted[6]
    page.keyboard.press("Escape")
    page.get_by_text("Report", exact=True).click()
    report = page.get_by_alt_text(re.compile("job's report"))
    assert studio.pixels(report)


def test_an_item_opens_in_the_studio_as_it_is(studio: Studio) -> None:
    page = studio.open("model=vae&seed=1&n=4").page
    tiles = opened(studio, "shop", 48)
    shown = studio.pixels(tiles.nth(5).locator("img"))
    tiles.nth(5).focus()
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Open in studio").click()
    page.get_by_text(f"{MAX_N} images of seed 7.").wait_for()
    assert studio.pixels(studio.tiles(count=MAX_N).nth(0).locator("img")) == shown
    assert page.locator("#model").input_value() == "tiny" and "label=one" in page.url
    page.get_by_role("tab", name="Favourites 1").click()
    assert studio.pixels(studio.tiles("kept", count=1).nth(0).locator("img")) == shown


def test_seeds_are_told_as_they_are(studio: Studio) -> None:
    page = studio.open().page
    tiles = opened(studio, "half", 48)
    assert f"Seed\n{BIG_SEED}" in page.locator("#set-facts").inner_text()
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        rows = json.loads(archive.read("manifest.json"))["items"]
    assert {int(row["seed"]) for row in rows} == {BIG_SEED}
    tiles.nth(1).dblclick()
    assert f"Seed\n{BIG_SEED}" in page.locator("#look-facts").inner_text()
    assert not page.get_by_role("button", name="Open in studio").is_visible()


def test_a_key_without_the_scope_is_told(open_studio: Any, secured: Secured) -> None:
    studio = open_studio(secured.url).open()
    page = studio.page
    page.evaluate("key => sessionStorage.setItem('aigc-studio-key', key)", secured.generate)
    page.reload()
    page.get_by_role("tab", name="Sets").click()
    page.get_by_role("alert").get_by_text("this call requires batch").wait_for()
    page.get_by_role("button", name="Enter an API key").click()
    page.get_by_label("Key", exact=True).fill(secured.batch)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Open shop").click()
    studio.tiles("set-items", count=48)


def test_where_there_are_none_it_says_how_to_show_some(
    open_studio: Any, client: httpx.Client
) -> None:
    page = open_studio(f"{client.base_url}/").open().page
    page.get_by_role("tab", name="Sets").click()
    page.get_by_text("aigc serve --set 'sets=[out]'").wait_for()
