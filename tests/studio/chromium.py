"""The studio in Chromium, as tests look at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

CHROMIUM = Path("/usr/bin/chromium")
TIMEOUT_MS = 60_000


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Debian's browser by Playwright's client; tests skip where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: apt-get install chromium gives {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Studio:
    """The page in a browser, and what went wrong on it."""

    page: Any
    url: str
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((urljoin(self.url, "/"), "blob:")):
            self.errors.append(f"asks for {request.url}")

    def open(self, fragment: str = "model=vae&seed=7&n=8") -> Studio:
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}#{fragment}")
        return self

    def tiles(self, grid: str = "samples", count: int | None = None) -> Any:
        """The images of a grid, once `count` of them are there and none is an old one."""
        from playwright.sync_api import expect

        tiles = self.page.locator(f"#{grid} [role=option]")
        if count is not None:
            expect(tiles).to_have_count(count, timeout=TIMEOUT_MS)
            busy = self.page.locator(f"#{grid}[aria-busy]")
            expect(busy).to_have_count(0, timeout=TIMEOUT_MS)
        return tiles

    def pixels(self, image: Any) -> str:
        """What an <img> shows, as text to compare."""
        return image.evaluate(
            """async (image) => {
              while (!image.complete || !image.naturalWidth)
                await new Promise((done) => setTimeout(done, 20));
              await image.decode();
              const canvas = document.createElement("canvas");
              [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
              canvas.getContext("2d").drawImage(image, 0, 0);
              return canvas.toDataURL();
            }"""
        )

    def shown(self, grid: str = "samples") -> list[str]:
        return [self.pixels(image) for image in self.page.locator(f"#{grid} img").all()]

    def captions(self, grid: str = "samples") -> list[str]:
        return self.page.locator(f"#{grid} [role=option] p").all_inner_texts()
