"""Sweet Home 3D's furniture: 820 products with name, category, licence and creator."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from aigc.data.fetch import folder as places
from aigc.data.fetch.archives import Zip, deb_members, open_zip
from aigc.data.fetch.download import Archive, obtain
from aigc.data.fetch.options import FetchOptions, Say
from aigc.data.fetch.pictures import lay_on
from aigc.errors import DataError

PACKAGE = Archive(
    "sweethome3d-furniture_1.8-1_all.deb",
    (
        "https://deb.debian.org/debian/pool/main/s/sweethome3d-furniture/"
        "sweethome3d-furniture_1.8-1_all.deb",
        "https://snapshot.debian.org/file/42471d8a20b3d10fa551b8bac359cf83c8ed7178",
    ),
    119_782_356,
    "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    debian="sweethome3d-furniture",
)
CATALOGUES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
"""Catalogue -> SPDX identifier of its licence, as the package's copyright file has it."""
ABOUT = {
    "set": "furniture",
    "name": "Sweet Home 3D furniture",
    "licence": "CC0-1.0 AND CC-BY-3.0 AND CC-BY-3.0-US",
    "url": "https://www.sweethome3d.com/import-models/",
}
BACKGROUND = "#e3e9ef"
_FOLDER = "usr/share/sweethome3d/furniture/"
_COPYRIGHT = "usr/share/doc/sweethome3d-furniture/copyright"
_TABLE = "PluginFurnitureCatalog.properties"
_ENTRY = re.compile(r"([A-Za-z]+)#(\d+)\s*=\s*(.*)")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")
_MOST_BYTES = 512 * 2**20
_MOST_MEMBER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Product:
    """One entry of a catalogue."""

    key: str
    """Unique file name without suffix."""
    name: str
    category: str
    creator: str
    icon: str
    """Member of the catalogue's zip file; so is `model`, an OBJ file."""
    model: str
    rotation: tuple[float, ...] = ()
    """3x3 matrix, row by row, that puts the model upright; empty means it stands."""


def fetch(folder: Path, options: FetchOptions, say: Say) -> bool:
    """820 products on `options.background` (a light blue grey, so that white goods are seen).

    Classes are the catalogues' categories: living room 147, miscellaneous 146, kitchen 127,
    exterior 100, bedroom 72, bathroom 50, office 42, characters 37, doors and windows 35, lights
    34, vehicles 28, staircases 2. Captions are the products' names. Each row names its licence
    (175 CC0-1.0, 645 CC-BY-3.0 or CC-BY-3.0-US) and its creator, whom CC-BY requires to be named.

    Pictures are the catalogues' icons, mostly 128x128, or with `options.turntable` that many views
    of each 3D model at 256x256, rendered by VTK.

    Returns False when all was there and right. Raises DataError when the package cannot be had or
    VTK is missing, SpecError when `folder` holds something else.
    """
    options.refuse("furniture", "licences")
    colour, views = options.colour(BACKGROUND), options.views()
    about = ABOUT | {"background": colour, "turntable": views}
    if places.is_there(folder, about):
        return False
    with places.disk_errors(folder), tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        package = obtain(PACKAGE, Path(scratch), say, options.archives)
        members = deb_members(package, _is_wanted, _MOST_BYTES, Path(scratch))
        zips = _open(stack, members)
        if views:
            from aigc.data.fetch import turntable  # noqa: PLC0415  # it imports this module

            pictures = turntable.pictures(zips, colour, views, say)
        else:
            pictures = _icons(zips, colour)
        count = places.write(folder, about, pictures, _licence(members))
    say(f"{count:,} pictures with names, licences and creators written")
    return True


def products(catalogue: str, source: Zip) -> Iterator[Product]:
    """The entries of a catalogue's zip file, in its order. Raises DataError: one is incomplete."""
    rows: dict[str, dict[str, str]] = {}
    for line in source.read(_TABLE).decode("latin-1").splitlines():
        if match := _ENTRY.fullmatch(line):
            rows.setdefault(match[2], {})[match[1]] = _unescaped(match[3].strip())
    for number, row in rows.items():
        try:
            icon, model = row["icon"].removeprefix("/"), row["model"].removeprefix("/")
            key = _plain(f"{catalogue}-{Path(icon).stem}")
            name, category = row["name"], _plain(row["category"], " ")
        except KeyError as missing:
            raise DataError(f"{catalogue}: entry {number} has no {missing}") from None
        creator, rotation = row.get("creator") or catalogue, _rotation(row, catalogue)
        yield Product(key, name, category, creator, icon, model, rotation)


def picture(product: Product, suffix: str, data: bytes, catalogue: str) -> places.FetchedFile:
    name = f"{product.key}{suffix}.webp"
    licence = CATALOGUES[catalogue]
    return places.FetchedFile(name, data, product.name, product.category, licence, product.creator)


def _rotation(row: dict[str, str], catalogue: str) -> tuple[float, ...]:
    try:
        values = tuple(float(value) for value in row.get("modelRotation", "").split())
    except ValueError:
        values = (0.0,)
    if len(values) not in (0, 9):
        raise DataError(f"{catalogue}: modelRotation = {row['modelRotation']!r}: not a 3x3 matrix")
    return values


def _icons(zips: dict[str, Zip], colour: str) -> Iterator[places.FetchedFile]:
    for catalogue, source in zips.items():
        for product in products(catalogue, source):
            data = lay_on(source.read(product.icon), colour, ("PNG", "JPEG", "GIF"), product.icon)
            yield picture(product, "", data, catalogue)


def _open(stack: ExitStack, members: dict[str, Path]) -> dict[str, Zip]:
    zips = {}
    for catalogue in CATALOGUES:
        path = members.get(f"{_FOLDER}{catalogue}.sh3f")
        if path is None:
            raise DataError(f"{PACKAGE.name}: has no {catalogue}.sh3f")
        name = f"{catalogue}.sh3f"
        zips[catalogue] = stack.enter_context(open_zip(path, name, _MOST_MEMBER_BYTES))
    return zips


def _is_wanted(member: str) -> bool:
    return member == _COPYRIGHT or (member.startswith(_FOLDER) and member.endswith(".sh3f"))


def _licence(members: dict[str, Path]) -> str:
    note = (
        "Pictures of Debian's package sweethome3d-furniture 1.8-1. metadata.csv names the licence\n"
        "and the creator of each. Changes: the pictures were laid on a background colour, or\n"
        "rendered from the 3D models. The package's copyright file follows.\n\n"
    )
    text = members.get(_COPYRIGHT)
    return note + (text.read_text("utf-8", "replace") if text else "")


def _unescaped(text: str) -> str:
    r"""A value of a Java properties file: \uXXXX is a character, \x stands for x."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)


def _plain(text: str, other: str = "-") -> str:
    """Letters, digits, `.`, `_`, `-` and `other`; anything else becomes `other`."""
    allowed = rf"[^A-Za-z0-9._{re.escape(other)}-]+"
    return re.sub(allowed, other, text).strip(". ") or "other"
