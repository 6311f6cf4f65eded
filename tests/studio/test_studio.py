"""The studio in a real browser, against the real endpoint with tiny models."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.endpoint.conftest import Endpoint
from tests.models_for_tests import tiny_config, tiny_tensors
from tests.studio.chromium import Studio
from tests.studio.conftest import MAX_N

pytestmark = pytest.mark.integration


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

    page.get_by_role("button", name="Random").click()
    seed = page.get_by_label("Seed", exact=True).input_value()
    assert seed != "7"
    page.get_by_text(f"12 images of seed {seed}.").wait_for()
    assert f"seed={seed}" in page.url and "label=two" in page.url
    shown = studio.shown()
    page.reload()
    studio.tiles(count=12)
    assert studio.shown() == shown, "the page's address does not say all that decides its images"
    page.evaluate("location.hash = 'model=vae&seed=7&n=8'")
    page.get_by_text("8 images of seed 7.").wait_for()
    assert studio.shown() == before, "an address that is pasted is not followed"


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
    page.get_by_label("Seed", exact=True).fill("seven")
    assert "whole number" in page.locator("#seed-hint").inner_text()
    assert page.get_by_label("Seed", exact=True).get_attribute("aria-invalid") == "true"
    assert page.locator("#status").inner_text() == "8 images of seed 7."


def test_no_more_is_offered_than_the_endpoint_makes(studio: Studio) -> None:
    page = studio.open("model=vae&seed=7").page
    studio.tiles(count=MAX_N)
    count = page.get_by_label("Images", exact=True)
    assert (count.input_value(), count.get_attribute("max")) == ("20", "20")
    page.get_by_text("Files and model card").click()
    sizes = page.get_by_label("Size").locator("option").all_inner_texts()
    assert sizes == ["16 × 16", "32 × 32", "64 × 64"]
    page.get_by_label("Size").select_option("64x64")
    studio.tiles(count=8)
    assert (count.input_value(), count.get_attribute("max")) == ("8", "8")
    page.get_by_label("Size").select_option("auto")
    studio.tiles(count=MAX_N)
    assert not page.get_by_role("alert").is_visible()


def test_what_the_endpoint_refuses_is_said_in_its_words(studio: Studio) -> None:
    page = studio.page

    def before_a_restart(route: Any) -> None:
        answer = route.fetch()
        listed = answer.json()
        for row in listed["data"]:
            row["limits"]["max_n"] = 64
        route.fulfill(response=answer, json=listed)

    page.route("**/v1/models", before_a_restart)
    studio.open()
    studio.tiles(count=8)
    page.get_by_label("Images", exact=True).fill("64")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert f"at most {MAX_N}" in alert.inner_text()
    studio.tiles(count=8)
    page.get_by_role("tab", name="Walk").click()
    assert not alert.is_visible(), "it is no other view's"
    page.get_by_role("tab", name="Samples").click()
    assert f"at most {MAX_N}" in alert.inner_text()
    page.get_by_label("Images", exact=True).fill("4")
    studio.tiles(count=4)
    assert not alert.is_visible()


def test_a_busy_endpoint_is_asked_again(studio: Studio) -> None:
    page = studio.page
    busy = json.dumps({"error": {"message": "too much is waiting", "type": "x"}})
    refusals = iter([{"status": 429, "headers": {"Retry-After": "3"}, "body": busy}])

    def refuse_once(route: Any) -> None:
        refusal = next(refusals, None)
        if refusal is None:
            route.continue_()
        else:
            route.fulfill(**refusal)

    page.route("**/v1/images/generations", refuse_once)
    studio.open()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "too much is waiting (retry in 3 s)" in alert.inner_text()
    alert.get_by_role("button", name="Try again").click()
    studio.tiles(count=8)
    assert not alert.is_visible()


def test_a_model_without_labels_has_all_of_it_too(studio: Studio) -> None:
    page = studio.open("model=plain&seed=7&n=8").page
    tiles = studio.tiles(count=8)
    assert not page.locator("#labels-field").is_visible()
    tiles.nth(0).click()
    tiles.nth(1).click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Walk").click()
    page.locator("#walk-strip li").nth(11).wait_for()
    page.get_by_role("tab", name="Favourites 2").click()
    studio.tiles("kept", count=2)


def test_a_walk_goes_from_one_image_to_the_other(studio: Studio) -> None:
    from playwright.sync_api import expect

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
    expect(page.get_by_label("Position on the walk")).not_to_have_value("11")
    page.get_by_role("button", name="Pause").click()
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
    page.get_by_label("Image to vary").set_input_files(
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
    assert "Not an image" in page.locator("#status").inner_text()
    drop(page, b"not really", "broken.png")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "image" in alert.inner_text()


def test_a_gan_says_why_it_cannot_vary(studio: Studio) -> None:
    page = studio.open("model=tiny&seed=7&n=8").page
    studio.tiles(count=8).nth(0).click()
    assert not page.get_by_role("button", name="Vary").is_visible()
    page.get_by_role("tab", name="Variations").click()
    assert "encoder of a VAE" in page.locator("#vary-why").inner_text()
    assert not page.locator("#drop").is_visible()
    page.get_by_label("Model", exact=True).select_option("vae")
    page.locator("#drop").wait_for()
    with page.expect_response("**/v1/images/generations") as sent:
        page.get_by_role("tab", name="Samples").click()
    assert sent.value.request.post_data_json["model"] == "vae@v1"


def test_labels_without_training_pictures_are_marked(
    open_studio: Callable[..., Studio], tmp_path: Path
) -> None:
    models = Endpoint(tmp_path / "store")
    config = tiny_config().model_copy(update={"untrained": ("two",)})
    models.store.publish("gaps", config, tiny_tensors(config))
    with models.running() as client:
        studio = open_studio(f"{client.base_url}/").open("model=gaps&seed=7&n=4")
        studio.tiles(count=4)
        labels = studio.page.locator("#labels")
        assert labels.locator(".untrained").all_inner_texts() == ["two\nno training images"]
        hint = studio.page.locator("#labels-hint")
        assert hint.inner_text() == "None selected: all with training images, in turn."
        assert {text.split()[0] for text in studio.captions()} == {"zero", "one", "three"}
        labels.get_by_label("two no training images").check(force=True)
        studio.page.locator("#samples p", has_text="two").nth(3).wait_for()
        assert {text.split()[0] for text in studio.captions()} == {"two"}
        studio.page.locator("#model").select_option("tiny")
        assert labels.locator(".untrained").count() == 0
