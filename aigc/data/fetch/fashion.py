"""Fashion-MNIST, from its home or Debian's package of the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from aigc.data.fetch.download import UnavailableError, apt_download, call, read_url
from aigc.data.fetch.folder import disk_errors
from aigc.data.fetch.options import FetchOptions, Say
from aigc.data.fetch.raw import write, write_source
from aigc.errors import DataError

URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
PACKAGE = "dataset-fashion-mnist"
LABELS = (
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
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the unpacked files: Debian's package holds the same data behind another gzip header. With the
header of upstream's files in front, its streams have the MD5 sums that upstream's README gives."""

_DOWNLOAD_LIMIT = 64 * 2**20
_UNPACK_TIMEOUT_S = 300


def fetch(folder: Path, options: FetchOptions, say: Say) -> bool:
    """70,000 product photos of Zalando, 28x28 grey (Xiao et al. 2017, arXiv:1708.07747; MIT).

    Writes four gzipped IDX files, `labels.txt` and `source.json`. Returns False when all were there
    and right; a damaged file is fetched again.

    Raises:
        DataError: neither the upstream site nor Debian's package gave the right bytes.
    """
    options.refuse("fashion-mnist", "licences", "background", "archives", "turntable")
    missing = [name for name in SHA256 if not _is_right(folder / f"{name}.gz", name)]
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if missing:
            for name, data in _files(missing, say):
                write(folder / f"{name}.gz", data)
        write(folder / "labels.txt", "".join(f"{x}\n" for x in LABELS).encode())
        write_source(
            folder, "Fashion-MNIST", "MIT", "https://github.com/zalandoresearch/fashion-mnist"
        )
    return bool(missing)


def _files(names: list[str], say: Say) -> Iterator[tuple[str, bytes]]:
    try:
        for name in names:
            yield name, _download(name)
        return
    except UnavailableError as error:
        say(f"{URL}: {error}; trying Debian's package {PACKAGE}")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = _debian_package(Path(scratch))
        for name in names:
            found = unpacked / "usr/share/datasets/fashion-mnist" / f"{name}.gz"
            if not _is_right(found, name):
                raise DataError(f"{PACKAGE}: {name} is not the published file (sha256)")
            yield name, found.read_bytes()


def _download(name: str) -> bytes:
    data = b"".join(read_url(f"{URL}{name}.gz", _DOWNLOAD_LIMIT))
    if _sha256_unpacked(data) != SHA256[name]:
        raise UnavailableError(f"{name}.gz is not the published file (sha256)")
    return data


def _debian_package(scratch: Path) -> Path:
    """The package unpacked below `scratch`, without root and without installing anything."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise DataError(
                f"Fashion-MNIST cannot be fetched: {URL} does not answer and {tool} "
                "is not installed; put the four IDX files into the folder yourself"
            )
    try:
        package = apt_download(PACKAGE, scratch)
        call(["dpkg-deb", "-x", str(package), "unpacked"], scratch, _UNPACK_TIMEOUT_S)
    except UnavailableError as error:
        raise DataError(f"Fashion-MNIST cannot be fetched: {error}") from None
    return scratch / "unpacked"


def _is_right(path: Path, name: str) -> bool:
    return path.is_file() and _sha256_unpacked(path.read_bytes()) == SHA256[name]


def _sha256_unpacked(data: bytes) -> str:
    try:
        return hashlib.sha256(gzip.decompress(data)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return "not gzip"
