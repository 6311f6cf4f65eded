"""How much a watermark survives and costs, on the pictures of a folder: the table of the docs.

    python -m tests.provenance.watermark.measure FOLDER --most 500 --size 256
    python -m tests.provenance.watermark.measure FOLDER --unmarked --most 20000
    python -m tests.provenance.watermark.measure PHOTOS --unmarked --most 8000 --windows 300

Transparent pictures stand on white. `--size` is the shorter side. `--windows N` takes N squares of
each picture, at random places and 256 pixels a side at least. Times are processor time.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from aigc.modalities.image.formats import readable
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.provenance.watermark.protocol import Picture
from tests.provenance.watermark.shown import KEY, coded, cropped, psnr_db, resized


def blurred(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1)))


def levels(picture: npt.NDArray[Any], factor: float, added: float = 0.0) -> Picture:
    return np.rint(picture * factor + added).clip(0, 255).astype(np.uint8)


def noisy(picture: Picture) -> Picture:
    return levels(picture + np.random.default_rng(0).normal(0, 5, picture.shape), 1)


DONE: dict[str, Callable[[Picture], Picture]] = {
    "nothing; metadata stripped": lambda picture: picture,
    "JPEG 90": lambda picture: coded(picture, "JPEG", 90),
    "JPEG 75": lambda picture: coded(picture, "JPEG", 75),
    "JPEG 50": lambda picture: coded(picture, "JPEG", 50),
    "WebP 80": lambda picture: coded(picture, "WEBP", 80),
    "0.5 x": lambda picture: resized(picture, 0.5),
    "0.75 x": lambda picture: resized(picture, 0.75),
    "2 x": lambda picture: resized(picture, 2),
    "0.5 x, JPEG 75": lambda picture: coded(resized(picture, 0.5), "JPEG", 75),
    "crop to 90 % of each side": lambda picture: cropped(picture, 0.9),
    "crop to 75 % of each side": lambda picture: cropped(picture, 0.75),
    "crop to 90 %, JPEG 75": lambda picture: coded(cropped(picture, 0.9), "JPEG", 75),
    "brightness x 1.2": lambda picture: levels(picture, 1.2),
    "brightness x 0.8": lambda picture: levels(picture, 0.8),
    "contrast x 1.3": lambda picture: levels(picture, 1.3, -38),
    "blur, 1 pixel": blurred,
    "noise, 5 levels": noisy,
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "screenshot: 1.25 x, PNG": lambda picture: resized(picture, 1.25),
}


def pictures(folder: Path, size: int, windows: int = 0) -> Iterator[Picture]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    random = np.random.default_rng(0)
    for at in random.permutation(len(paths)):
        try:
            with Image.open(paths[at], formats=readable()) as image:
                shown = image.convert("RGBA")
        except (OSError, SyntaxError, Image.DecompressionBombError):
            continue
        page = Image.new("RGBA", shown.size, "white")
        page.alpha_composite(shown)
        page = page.convert("RGB")
        for _ in range(windows):
            yield _window(page, size, random)
        if not windows:
            scale = size / min(page.size)
            page = page.resize((round(page.width * scale), round(page.height * scale)))
            yield np.asarray(page)[: 4 * size, : 4 * size]


def _window(page: Image.Image, size: int, random: np.random.Generator) -> Picture:
    least = min(256, *page.size)
    side = int(random.integers(least, min(1024, *page.size) + 1))
    left, top = (int(random.integers(0, whole - side + 1)) for whole in page.size)
    box = (left, top, left + side, top + side)
    shown = page.resize((size, size), Image.Resampling.LANCZOS, box)
    return np.asarray(shown)


def ssim(one: Picture, other: Picture) -> float:
    """Of the luminance (Wang and others 2004), with their Gaussian window."""
    x, y = (np.asarray(Image.fromarray(each).convert("L"), np.float64) for each in (one, other))
    mean_x, mean_y = _local(x), _local(y)
    both = _local(x * y) - mean_x * mean_y
    spread = _local(x * x) - mean_x**2 + _local(y * y) - mean_y**2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((light * (2 * both + c2) / (spread + c2)).mean())


def _local(values: np.ndarray) -> np.ndarray:
    return gaussian_filter(values, 1.5, truncate=3.5)


def survival(mark: CheckedWatermark, shown: Iterator[Picture]) -> Iterator[str]:
    found: dict[str, list[bool]] = {name: [] for name in DONE}
    quality: list[tuple[float, float]] = []
    embed_s, detect_s = [], []
    for at, picture in enumerate(shown):
        payload = at.to_bytes(mark.payload_bits // 8, "big")
        began = time.process_time()
        marked = mark.embed(picture[None], [payload])[0]
        embed_s.append(time.process_time() - began)
        quality.append((psnr_db(marked, picture), ssim(marked, picture)))
        for name, change in DONE.items():
            changed = change(marked)
            began = time.process_time()
            found[name].append(mark.detect(changed).payload == payload)
            detect_s.append(time.process_time() - began)
    psnrs, ssims = zip(*quality, strict=True)
    yield f"{len(psnrs)} pictures, PSNR {statistics.mean(psnrs):.1f} dB, least {min(psnrs):.1f}"
    yield f"SSIM {statistics.mean(ssims):.3f}, 5th percentile {np.percentile(ssims, 5):.3f}"
    times = (1000 * statistics.median(each) for each in (embed_s, detect_s))
    yield "embed {:.1f} ms, detect {:.1f} ms".format(*times)
    yield from (f"{name}: {100 * statistics.mean(each):.1f} %" for name, each in found.items())


def false_positives(mark: CheckedWatermark, shown: Iterator[Picture]) -> Iterator[str]:
    found = looked = 0
    for looked, picture in enumerate(shown, 1):
        found += mark.detect(picture).payload is not None
        if looked % 1000 == 0:
            yield f"{found} of {looked:,} unmarked pictures have a watermark"
    yield f"{found} of {looked:,} unmarked pictures have a watermark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--method", default="spread")
    parser.add_argument("--most", type=int, default=500)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--windows", type=int, default=0)
    parser.add_argument("--unmarked", action="store_true")
    asked = parser.parse_args()
    measure = false_positives if asked.unmarked else survival
    shown = itertools.islice(pictures(asked.folder, asked.size, asked.windows), asked.most)
    for line in measure(open_watermark(asked.method, KEY), shown):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
