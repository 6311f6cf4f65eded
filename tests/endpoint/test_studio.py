"""The studio in a real browser, against the real endpoint with tiny models."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.endpoint.conftest import Endpoint
from tests.endpoint.studio_site import Studio, chromium

pytestmark = pytest.mark.integration

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
def studio(browser: Any, url: str) -> Iterator[Studio]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    found = Studio(context.new_page(), url)
    yield found
    context.close()
    assert not found.errors


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read()


def downloaded(page: Any, button: str) -> bytes:
    with page.expect_download() as found:
        page.locator(button).click()
    return Path(found.value.path()).read_bytes()


def png(seed: int = 0, side: int = 40) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def drop(page: Any, data: bytes, name: str = "mine.png", kind: str = "image/png") -> None:
    transfer = page.evaluate_handle(
        """([bytes, name, type]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
          return transfer;
        }""",
        [list(data), name, kind],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def test_what_is_asked_for_is_shown_and_said(studio: Studio) -> None:
    page = studio.open("model=tiny&seed=7&n=8").page
    tiles = studio.tiles(count=8)
    labels = ["zero", "one", "two", "three"]
    assert [text.split() for text in studio.captions()] == [
        [labels[at % 4], str(at), "AI"] for at in range(8)
    ]
    assert page.locator("#status").inner_text() == "8 images of seed 7."
    assert "AI-generated image: one, number 1" in tiles.nth(1).locator("img").get_attribute("alt")
    assert page.locator("#model").input_value() == "tiny"
    assert "GAN, 16 × 16 grey" in page.locator("#model-facts").inner_text()


def test_labels_count_seed_and_pages(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    before = studio.shown()
    page.get_by_role("button", name="Next images").click()
    page.get_by_text("8 to 15").wait_for()
    studio.tiles(count=8)
    assert not set(before) & set(studio.shown())
    page.get_by_role("button", name="Previous images").click()
    page.get_by_text("0 to 7").wait_for()
    studio.tiles(count=8)
    assert studio.shown() == before

    page.get_by_label("Images", exact=True).fill("12")
    studio.tiles(count=12)
    assert studio.shown()[:8] == before

    page.get_by_label("two", exact=True).check(force=True)
    page.locator("#samples p", has_text="two").nth(11).wait_for()
    assert {text.split()[0] for text in studio.captions()} == {"two"}

    page.get_by_role("button", name="Surprise me").click()
    seed = page.get_by_label("Seed").input_value()
    assert seed != "7"
    page.get_by_text(f"12 images of seed {seed}.").wait_for()
    assert f"seed={seed}" in page.url and "label=two" in page.url
    shown = studio.shown()
    page.reload()
    studio.tiles(count=12)
    assert studio.shown() == shown, "the page's address does not say all that decides its images"


def test_truncation_moves_the_same_items(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    free = studio.shown()
    with page.expect_response("**/v1/images/generations") as sent:
        page.get_by_label("Truncation").fill("0.5")
    assert sent.value.request.post_data_json["truncation"] == 0.5
    studio.tiles(count=8)
    assert page.locator("#truncation-value").inner_text() == "± 0.5"
    assert not set(free) & set(studio.shown())


def test_a_wrong_seed_is_told_before_it_is_sent(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    page.get_by_label("Seed").fill("seven")
    assert "whole number" in page.locator("#seed-hint").inner_text()
    assert page.get_by_label("Seed").get_attribute("aria-invalid") == "true"
    assert page.locator("#status").inner_text() == "8 images of seed 7."


def test_what_the_endpoint_refuses_is_said_in_its_words(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    page.get_by_label("Images", exact=True).fill("64")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert f"at most {MAX_N}" in alert.inner_text()
    page.get_by_label("Images", exact=True).fill("4")
    studio.tiles(count=4)
    assert not alert.is_visible()


def test_a_walk_goes_from_one_image_to_the_other(studio: Studio) -> None:
    page = studio.open().page
    tiles = studio.tiles(count=8)
    ends = [studio.pixels(tiles.nth(at).locator("img")) for at in (2, 5)]
    tiles.nth(2).click()
    tiles.nth(5).click()
    page.get_by_role("button", name="Walk").click()
    page.locator("#walk-strip li").nth(11).wait_for()
    frames = studio.shown("walk-strip")
    assert [frames[0], frames[-1]] == ends and len(set(frames)) == 12
    page.get_by_label("Position on the walk").fill("11")
    assert studio.pixels(page.locator("#walk-frame")) == ends[1]
    assert "AI-generated" in page.locator("#walk-caption").inner_text()
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(400)
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_label("Position on the walk").input_value() != "11"
    page.get_by_label("Frames", exact=True).fill("4")
    page.get_by_text("4 frames from").wait_for()


def test_a_picture_is_varied(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    drop(page, png())
    studio.tiles("variations", count=8)
    assert page.get_by_role("tab", name="Variations").get_attribute("aria-selected") == "true"
    far = studio.shown("variations")
    assert len(set(far)) == 8
    with page.expect_response("**/v1/images/variations"):
        page.get_by_label("Strength").fill("0")
    studio.tiles("variations", count=8)
    assert len(set(studio.shown("variations"))) == 1, "strength 0 redraws the picture"
    page.get_by_label("Picture to vary").set_input_files(
        {"name": "other.png", "mimeType": "image/png", "buffer": png(1)}
    )
    page.get_by_text("8 variations of other.png.").wait_for()


def test_an_item_is_varied(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8).nth(1).click()
    page.get_by_role("button", name="Vary").click()
    page.get_by_text("8 variations of one-7-1.png.").wait_for()
    studio.tiles("variations", count=8)


def test_a_file_that_is_no_picture_is_refused(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    drop(page, b"a,b", "table.csv", "text/csv")
    assert "not a picture" in page.locator("#status").inner_text()
    drop(page, b"not really", "broken.png")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "image" in alert.inner_text()


def test_a_gan_says_why_it_cannot_vary(studio: Studio) -> None:
    page = studio.open("model=tiny&seed=7&n=8").page
    studio.tiles(count=8).nth(0).click()
    assert not page.get_by_role("button", name="Vary").is_visible()
    page.get_by_role("tab", name="Variations").click()
    assert "only a VAE" in page.locator("#vary-why").inner_text()
    assert not page.locator("#drop").is_visible()
    page.get_by_label("Model", exact=True).select_option("vae")
    studio.tiles(count=8)


def test_favourites_stay_and_are_made_again(studio: Studio) -> None:
    page = studio.open().page
    tiles = studio.tiles(count=8)
    tiles.nth(3).click()
    page.get_by_role("button", name="Keep").click()
    tiles.nth(6).hover()
    tiles.nth(6).get_by_title("Keep").click()
    wanted = [studio.pixels(tiles.nth(at).locator("img")) for at in (3, 6)]
    page.reload()
    studio.tiles(count=8)
    page.get_by_role("tab", name="Favourites 2").click()
    studio.tiles("kept", count=2)
    assert studio.shown("kept") == wanted
    studio.tiles("kept").nth(0).focus()
    page.keyboard.press("f")
    page.get_by_role("tab", name="Favourites 1").wait_for()


def test_a_zip_holds_the_files_and_where_they_came_from(studio: Studio) -> None:
    page = studio.open("model=tiny&seed=9&n=8&truncation=0.8").page
    studio.tiles(count=8)
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        files = {name: archive.read(name) for name in archive.namelist()}
    assert manifest["ai_generated"] is True and len(manifest["items"]) == len(files) - 1 == 8
    for item in manifest["items"]:
        data = files[item["file"]]
        assert hashlib.sha256(data).hexdigest() == item["sha256"]
        assert fetched(item["address"]) == data, "the permanent address gives other bytes"
        assert (item["seed"], item["truncation"]) == (9, 0.8)
        assert item["model"] == "tiny@v1" and len(item["model_digest"]) == 64


def test_one_image_large_with_its_facts_and_file(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8).nth(2).dblclick()
    look = page.get_by_role("dialog")
    assert "two 2" in look.inner_text() and "AI-generated" in look.inner_text()
    file = downloaded(page, "#look-download")
    assert file == fetched(f"{studio.url}v1/images/vae@v1/two/7/2.png")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    look.get_by_role("button", name="Copy link").click()
    look.get_by_role("button", name="Copied").wait_for()
    assert fetched(page.evaluate("navigator.clipboard.readText()")) == file
    look.get_by_role("button", name="Next image").click()
    assert "three 3" in look.inner_text()


def test_the_code_shown_makes_the_images_shown(studio: Studio, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    page = studio.open("model=vae&seed=7&n=4&label=two&label=one&truncation=1").page
    studio.tiles(count=4)
    page.get_by_role("button", name="Code").click()
    code, curl = page.locator("#python").inner_text(), page.locator("#curl").inner_text()
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    answer = subprocess.run(["bash", "-c", curl], check=True, capture_output=True, timeout=60)
    images = [item["b64_json"] for item in json.loads(answer.stdout)["data"]]
    for at, label in enumerate(["two", "one", "two", "one"]):
        address = f"{studio.url}v1/images/vae@v1/{label}/7/{at}.png?truncation=1"
        assert (tmp_path / f"{at}.png").read_bytes() == fetched(address)
    assert len(set(images)) == 4
    page.get_by_role("button", name="Copy the Python code").click()
    page.locator("#copy-python", has_text=re.compile("Copied")).wait_for()
