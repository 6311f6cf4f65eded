"""Small archives of the formats that data sets come in, and tables that pin them."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

from PIL import Image

from aigc.data.fetch.download import Archive
from tests.data.pictures import encoded

Files = dict[str, bytes]


def tar(files: Files, kind: str = "gz", extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as made:  # type: ignore[call-overload]
        for member in extra:
            made.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


def deb(files: Files) -> bytes:
    """A Debian package as `ar` writes it, with an odd-sized member before the data."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(b"control") + b"x",
        "data.tar.xz": tar({f"./{name}": data for name, data in files.items()}, "xz"),
    }
    package = b"!<arch>\n"
    for name, data in parts.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        package += header + data + b"\n" * (len(data) % 2)
    return package


def pinned(path: Path, data: bytes, debian: str = "") -> Archive:
    """`data` as a file at `path`, which stands for its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Archive(path.name, (path.absolute().as_uri(),), len(data), digest, debian)


def see_through(colour: tuple[int, int, int], kind: str = "PNG") -> bytes:
    """16x16: a square of `colour` in the middle, nothing around it."""
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((*colour, 255), (4, 4, 12, 12))
    return encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))


EMOJI_TABLE = [
    {"name": "GRINNING FACE", "unified": "1F600", "category": "Smileys & Emotion"},
    {"name": "HASH KEY", "unified": "0023-FE0F-20E3", "category": "Symbols"},
    {"name": "Wales Flag", "unified": "1F3F4-E0067", "category": "Flags"},
    {
        "name": "WAVING HAND SIGN",
        "unified": "1F44B",
        "category": "People & Body",
        "skin_variations": {
            "1F3FB": {"unified": "1F44B-1F3FB"},
            "1F3FB-1F3FF": {"unified": "1F44B-1F3FB-200D-1F3FF"},
        },
    },
]


def emoji_table(rows: object = EMOJI_TABLE) -> bytes:
    return tar({"package/img/a.png": b"x" * 100, "package/emoji.json": json.dumps(rows).encode()})
