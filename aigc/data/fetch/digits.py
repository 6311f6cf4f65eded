"""scikit-learn's handwritten digits: no network is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from aigc.data.fetch.folder import disk_errors
from aigc.data.fetch.options import FetchOptions, Say
from aigc.data.fetch.raw import write_source


def fetch(folder: Path, options: FetchOptions, say: Say) -> bool:
    """scikit-learn's 1,797 handwritten digits as PNG, one folder a class, 8x8 grey in 0..255.

    From the UCI repository (Alpaydin & Kaynak 1998; CC BY 4.0); no network is needed.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415

    options.refuse("digits", "licences", "background", "archives", "turntable")
    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    paths = [folder / str(label) / f"{number:04d}.png" for number, label in enumerate(bunch.target)]
    if (folder / "source.json").exists() and all(path.exists() for path in paths):
        return False
    with disk_errors(folder):
        for path, image in zip(paths, pixels, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        write_source(
            folder,
            "Optical Recognition of Handwritten Digits",
            "CC-BY-4.0",
            "https://archive.ics.uci.edu/dataset/80",
        )
    say(f"{len(paths):,} digits written from scikit-learn's copy")
    return True
