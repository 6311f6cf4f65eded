"""What is taken away from the studio: favourites, files, addresses, code."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.studio.chromium import Studio

pytestmark = pytest.mark.integration


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read()


def downloaded(page: Any, button: str) -> bytes:
    with page.expect_download() as found:
        page.locator(button).click()
    return Path(found.value.path()).read_bytes()


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


def keep(studio: Studio, *rows: dict[str, Any]) -> Any:
    """Tiles of these favourites, which are what the model tiny makes but for what they say."""
    page = studio.page
    common = {"model": "tiny@v1", "label": "one", "seed": 7, "truncation": None, "format": "png"}
    kept = json.dumps([common | {"index": at} | row for at, row in enumerate(rows)])
    page.evaluate("rows => localStorage.setItem('aigc-studio-kept', rows)", kept)
    page.reload()
    studio.tiles(count=8)
    page.get_by_role("tab", name=f"Favourites {len(rows)}").click()
    return studio.tiles("kept", count=len(rows))


def test_a_favourite_whose_model_is_gone_is_no_hole(studio: Studio) -> None:
    page = studio.open().page
    tiles = keep(studio, {}, {"model": "gone@v1"}, {}, {"model": "gone@v2"})
    assert "Missing image: one, number 1" in tiles.nth(1).get_attribute("aria-label")
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        rows = json.loads(archive.read("manifest.json"))["items"]
    assert [row["index"] for row in rows] == [0, 2]
    page.get_by_text(
        "Downloading a ZIP of 2 images and their manifest. 2 could not be loaded"
    ).wait_for()

    tiles.nth(0).dblclick()
    page.get_by_role("button", name="Next image").click()
    assert "one 2" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_function("kept.children[2] === document.activeElement")
    for key, at in [("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowRight", 1)]:
        page.keyboard.press(key)
        assert page.evaluate("[...kept.children].indexOf(document.activeElement)") == at
    for key in ("Escape", "Space", "Enter"):
        page.keyboard.press(key)
    assert "gone@v1" in page.locator("#status").inner_text()
    assert page.locator("#selection button:visible").all_inner_texts() == ["Keep", ""]
    page.keyboard.press("f")
    page.get_by_role("tab", name="Favourites 3").wait_for()
    tiles.nth(3).hover()
    tiles.nth(3).get_by_title("Keep").click()
    page.get_by_role("tab", name="Favourites 2").wait_for()
    page.keyboard.press("f")
    page.get_by_role("tab", name="Favourites 3").wait_for()
    assert "missing" not in page.evaluate("localStorage.getItem('aigc-studio-kept')")


def test_no_walk_is_offered_that_could_not_end_where_it_should(studio: Studio) -> None:
    page = studio.open().page
    cut, other = {"truncation": 0.5}, {"model": "vae@v1"}
    tiles = keep(studio, {}, cut, other, cut)
    walk = page.locator("[data-act='walk']")
    for second, why in [(1, "truncations differ, off and 0.5"), (2, "tiny@v1 and vae@v1")]:
        tiles.nth(0).click()
        tiles.nth(second).click()
        assert walk.is_disabled() and why in walk.get_attribute("title")
        assert why in page.locator("#status").inner_text()
        page.keyboard.press("Escape")
        assert page.locator("#status").inner_text() == "4 favourites in this browser."
    ends = [studio.pixels(tiles.nth(at).locator("img")) for at in (1, 3)]
    tiles.nth(1).click()
    tiles.nth(3).click()
    walk.click()
    page.locator("#walk-strip li").nth(11).wait_for()
    frames = studio.shown("walk-strip")
    assert [frames[0], frames[-1]] == ends


def test_files_come_in_the_format_and_size_asked_for(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    page.get_by_text("Files and model card").click()
    page.get_by_label("Size").select_option("32x32")
    with page.expect_response("**/v1/images/generations"):
        page.get_by_label("Format").select_option("webp")
    studio.tiles(count=8)
    page.get_by_text("8 images of seed 7.").wait_for()
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        first = json.loads(archive.read("manifest.json"))["items"][0]
        data = archive.read(first["file"])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", (32, 32))
    assert fetched(first["address"]) == data


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


def run_code(page: Any, folder: Path) -> list[str]:
    """Images in base64 that the curl command gives, once the Python code has made files of its."""
    page.get_by_role("button", name="Code").click()
    code, curl = page.locator("#python").inner_text(), page.locator("#curl").inner_text()
    for command in ([sys.executable, "-c", code], ["bash", "-c", curl]):
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return [item["b64_json"] for item in json.loads(done.stdout)["data"]]


def pixels(file: bytes) -> bytes:
    return Image.open(io.BytesIO(file)).convert("L").tobytes()


def shown(studio: Studio, grid: str) -> list[bytes]:
    addresses = (found.partition(",")[2] for found in studio.shown(grid))
    return [pixels(base64.b64decode(address)) for address in addresses]


def test_the_code_shown_makes_the_images_shown(studio: Studio, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    page = studio.open("model=vae&seed=7&n=4&label=two&label=one&truncation=1").page
    studio.tiles(count=4)
    images = run_code(page, tmp_path)
    for at, label in enumerate(["two", "one", "two", "one"]):
        address = f"{studio.url}v1/images/vae@v1/{label}/7/{at}.png?truncation=1"
        assert (tmp_path / f"{at}.png").read_bytes() == fetched(address)
    assert len(set(images)) == 4
    page.get_by_role("button", name="Copy the Python code").click()
    page.locator("#copy-python", has_text=re.compile("Copied")).wait_for()


def test_the_code_of_a_walk_makes_its_frames(studio: Studio, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    page = studio.open().page
    tiles = studio.tiles(count=8)
    page.get_by_role("tab", name="Walk").click()
    assert not page.get_by_role("button", name="Code").is_visible(), "there is nothing yet"
    page.get_by_role("tab", name="Samples").click()
    tiles.nth(2).click()
    tiles.nth(5).click()
    page.get_by_role("button", name="Walk").click()
    page.locator("#walk-strip li").nth(11).wait_for()
    images = [base64.b64decode(image) for image in run_code(page, tmp_path)]
    assert [(tmp_path / f"{at}.png").read_bytes() for at in range(12)] == images
    assert list(map(pixels, images)) == shown(studio, "walk-strip")
    page.keyboard.press("Escape")
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip"))) as archive:
        rows = json.loads(archive.read("manifest.json"))["items"]
        assert [archive.read(row["file"]) for row in rows] == images
    ends = [{"label": "two", "seed": 7, "index": 2}, {"label": "one", "seed": 7, "index": 5}]
    for at, row in enumerate(rows):
        assert [row["from"], row["to"], row["step"], row["steps"]] == [*ends, at, 12]
        assert row["source"] == "walk" and not row.keys() & {"seed", "index", "label"}


def test_the_code_of_variations_makes_them(studio: Studio, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    page = studio.open().page
    studio.tiles(count=8).nth(1).click()
    page.get_by_role("button", name="Vary").click()
    page.get_by_text("8 variations of one-7-1.png.").wait_for()
    picture = fetched(f"{studio.url}v1/images/vae@v1/one/7/1.png")
    (tmp_path / "one-7-1.png").write_bytes(picture)
    images = [base64.b64decode(image) for image in run_code(page, tmp_path)]
    assert [(tmp_path / f"{at}.png").read_bytes() for at in range(8)] == images
    assert list(map(pixels, images)) == shown(studio, "variations")


def test_code_says_what_a_label_says(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    asked = {"model": "vae", "n": 1, "labels": ['size 3":4', ',"', "é\n'\\"], "truncation": 0.5}
    code = page.evaluate(
        "async ([url, asked]) => (await import(url)).generateCode(asked).python",
        [f"{studio.url}studio/code.js", asked],
    )
    body = next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Dict))
    assert ast.literal_eval(body) == {"labels": asked["labels"], "truncation": 0.5}


def test_what_comes_of_many_requests_has_no_code(studio: Studio) -> None:
    page = studio.open().page
    studio.tiles(count=8)
    for view, offered in (("Favourites", False), ("Sets", False), ("Samples", True)):
        page.get_by_role("tab", name=view).click()
        assert page.get_by_role("button", name="Code").is_visible() == offered
