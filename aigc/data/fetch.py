"""Data sets everybody may use, from their home or the next best place, every byte checked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from aigc.errors import DataError, SpecError, StorageError

Say = Callable[[str], None]

FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the unpacked files: Debian's package holds the same data behind another gzip header. With the
header of upstream's files in front, its streams have the MD5 sums that upstream's README gives."""

_TIMEOUT_S = 10
_DOWNLOAD_LIMIT = 64 * 2**20


def fetch(name: str, folder: str, say: Say = lambda line: None) -> bool:
    """Fetch the set `name` of `SETS` into `folder`; False when it was there and right.

    Raises:
        SpecError: no such set.
        DataError: its bytes cannot be had.
    """
    if name not in SETS:
        raise SpecError(f"name = {name!r}: expected one of {', '.join(SETS)}")
    return SETS[name](Path(folder), say)


def fashion_mnist(folder: Path, say: Say) -> bool:
    """70,000 product photos of Zalando, 28x28 grey (Xiao et al. 2017, arXiv:1708.07747; MIT).

    Writes four gzipped IDX files, `labels.txt` and `source.json`. Returns False when all were there
    and right; a damaged file is fetched again.

    Raises:
        DataError: neither the upstream site nor Debian's package gave the right bytes.
    """
    missing = [name for name in FASHION_SHA256 if not _is_right(folder / f"{name}.gz", name)]
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if missing:
            for name, data in _fashion_files(missing, say):
                _write(folder / f"{name}.gz", data)
        _write(folder / "labels.txt", "".join(f"{x}\n" for x in FASHION_LABELS).encode())
        _write_source(
            folder, "Fashion-MNIST", "MIT", "https://github.com/zalandoresearch/fashion-mnist"
        )
    return bool(missing)


def digits(folder: Path, say: Say) -> bool:
    """scikit-learn's 1,797 handwritten digits as PNG, one folder a class, 8x8 grey in 0..255.

    From the UCI repository (Alpaydin & Kaynak 1998; CC BY 4.0); no network is needed.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    paths = [folder / str(label) / f"{number:04d}.png" for number, label in enumerate(bunch.target)]
    if (folder / "source.json").exists() and all(path.exists() for path in paths):
        return False
    with _disk_errors(folder):
        for path, image in zip(paths, pixels, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        _write_source(
            folder,
            "Optical Recognition of Handwritten Digits",
            "CC-BY-4.0",
            "https://archive.ics.uci.edu/dataset/80",
        )
    say(f"{len(paths):,} digits written from scikit-learn's copy")
    return True


SETS: dict[str, Callable[[Path, Say], bool]] = {"fashion-mnist": fashion_mnist, "digits": digits}


def _fashion_files(names: list[str], say: Say) -> Iterator[tuple[str, bytes]]:
    try:
        for name in names:
            yield name, _download(name)
        return
    except _UnavailableError as error:
        say(f"{FASHION_URL}: {error}; trying Debian's package {FASHION_PACKAGE}")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = _debian_package(Path(scratch))
        for name in names:
            found = unpacked / "usr/share/datasets/fashion-mnist" / f"{name}.gz"
            if not _is_right(found, name):
                raise DataError(f"{FASHION_PACKAGE}: {name} is not the published file (sha256)")
            yield name, found.read_bytes()


class _UnavailableError(Exception):
    """A source cannot be used; the next one may."""


def _download(name: str) -> bytes:
    try:
        with urllib.request.urlopen(f"{FASHION_URL}{name}.gz", timeout=_TIMEOUT_S) as answer:
            data: bytes = answer.read(_DOWNLOAD_LIMIT)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise _UnavailableError(f"cannot be reached ({reason})") from None
    if _sha256_unpacked(data) != FASHION_SHA256[name]:
        raise _UnavailableError(f"{name}.gz is not the published file (sha256)")
    return data


def _debian_package(scratch: Path) -> Path:
    """The package unpacked below `scratch`, without root and without installing anything."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise DataError(
                f"Fashion-MNIST cannot be fetched: {FASHION_URL} does not answer and there is no "
                f"{tool} here; put the four IDX files into the folder yourself"
            )
    _call(["apt-get", "download", FASHION_PACKAGE], scratch)
    packages = list(scratch.glob("*.deb"))
    if len(packages) != 1:
        raise DataError(f"apt-get download {FASHION_PACKAGE} left {len(packages)} packages")
    _call(["dpkg-deb", "-x", str(packages[0]), "unpacked"], scratch)
    return scratch / "unpacked"


def _call(command: list[str], folder: Path) -> None:
    line = " ".join(command[:3])
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{line}: no answer for 300 s") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"Fashion-MNIST cannot be fetched: {line}: {reason}")


def _is_right(path: Path, name: str) -> bool:
    return path.is_file() and _sha256_unpacked(path.read_bytes()) == FASHION_SHA256[name]


def _sha256_unpacked(data: bytes) -> str:
    try:
        return hashlib.sha256(gzip.decompress(data)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return "not gzip"


def _write_source(folder: Path, name: str, licence: str, url: str) -> None:
    about = {"name": name, "licence": licence, "url": url}
    _write(folder / "source.json", json.dumps(about, indent=2).encode())


def _write(path: Path, data: bytes) -> None:
    """In one step, so that an interrupted fetch leaves no part of a file under its name."""
    if path.is_file() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from None
