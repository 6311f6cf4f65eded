"""Fluent 3D emoji: 3,372 colour pictures in nine classes, each with its name."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc.data.fetch import folder as places
from aigc.data.fetch.archives import tar_members
from aigc.data.fetch.download import Archive, obtain
from aigc.data.fetch.options import FetchOptions, Say
from aigc.data.fetch.pictures import lay_on
from aigc.errors import DataError

PICTURES = Archive(
    "fluent-emoji-3d-1.1.0.tgz",
    ("https://registry.npmjs.org/@lobehub/fluent-emoji-3d/-/fluent-emoji-3d-1.1.0.tgz",),
    15_792_027,
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
)
NAMES = Archive(
    "emoji-datasource-google-16.0.0.tgz",
    ("https://registry.npmjs.org/emoji-datasource-google/-/emoji-datasource-google-16.0.0.tgz",),
    74_344_091,
    "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
)
ABOUT = {
    "set": "emoji",
    "name": "Fluent 3D emoji",
    "licence": "MIT",
    "url": "https://github.com/microsoft/fluentui-emoji",
}
TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
LICENCE = """\
The pictures are Fluent emoji by Microsoft (https://github.com/microsoft/fluentui-emoji), taken from
the npm package @lobehub/fluent-emoji-3d 1.1.0 by LobeHub. Their names and classes are those of the
npm package emoji-datasource-google 16.0.0 by Cal Henderson. All three are under the MIT License.
The pictures were laid on a background colour and stored as lossless WebP.

MIT License

Copyright (c) Microsoft Corporation.
Copyright (c) 2023 LobeHub
Copyright (c) 2013 Cal Henderson

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
_PICTURE = re.compile(r"package/assets/([0-9a-f]+(?:[-_][0-9a-f]+)*)\.webp")
_MOST_PICTURE_BYTES = 2**20
_MOST_TABLE_BYTES = 16 * 2**20
_MOST_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Named:
    name: str
    category: str


def fetch(folder: Path, options: FetchOptions, say: Say) -> bool:
    """3,372 emoji of Microsoft's Fluent design (MIT), 256x256 on `options.background` (white).

    Classes are the nine categories of Unicode's emoji list ("Smileys & Emotion", "Flags", ...),
    captions the emoji's names, with the skin tone where there is one. 17 pictures of the archive
    are left out: their names are not codepoints of Unicode's list.

    Returns False when all was there and right. Raises DataError when the archives cannot be had,
    SpecError when `folder` holds something else.
    """
    options.refuse("emoji", "licences", "turntable")
    colour = options.colour("white")
    about = ABOUT | {"background": colour}
    if places.is_there(folder, about):
        return False
    with places.disk_errors(folder), tempfile.TemporaryDirectory() as scratch:
        files = [obtain(a, Path(scratch), say, options.archives) for a in (PICTURES, NAMES)]
        count = places.write(folder, about, _pictures(files[0], files[1], colour), LICENCE)
    say(f"{count:,} pictures with names and licences written")
    return True


def _pictures(pictures: Path, names: Path, colour: str) -> Iterator[places.FetchedFile]:
    named = _names(names)
    seen: set[str] = set()
    members = tar_members(pictures, _is_picture, _MOST_PICTURE_BYTES, _MOST_BYTES)
    for member, data in members:
        points = _points(member.removeprefix("package/assets/").removesuffix(".webp"))
        if points not in named or points in seen:
            continue
        seen.add(points)
        known = named[points]
        picture = lay_on(data, colour, ("WEBP",), member)
        name = f"{points}.webp"
        yield places.FetchedFile(name, picture, known.name, known.category, "MIT", "Microsoft")


def _is_picture(member: str) -> bool:
    return _PICTURE.fullmatch(member) is not None


def _points(text: str) -> str:
    """Codepoints in lower case, without the variation selector fe0f that not all lists write."""
    return "-".join(part for part in text.lower().split("-") if part != "fe0f")


def _names(archive: Path) -> dict[str, Named]:
    """Codepoints -> name and category, skin tones included."""
    table = "package/emoji.json"
    members = tar_members(archive, lambda name: name == table, _MOST_TABLE_BYTES, _MOST_BYTES)
    for _, data in members:
        try:
            return dict(_entries(json.loads(data)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{archive.name}: {table} is damaged ({error!r})") from None
    raise DataError(f"{archive.name}: has no {table}")


def _entries(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Named]]:
    for row in rows:
        name = row["name"].lower() if row["name"].isupper() else row["name"]
        category = row["category"].replace("/", "-")
        yield _points(row["unified"]), Named(name, category)
        for tones, variation in row.get("skin_variations", {}).items():
            words = " and ".join(TONES[tone] for tone in tones.split("-"))
            toned = f"{name}, {words} skin tone{'s' if '-' in tones else ''}"
            yield _points(variation["unified"]), Named(toned, category)
