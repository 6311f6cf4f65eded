"""Drumkits of the drum machine Hydrogen: samples with the names of their instruments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from aigc.data.fetch import folder as places
from aigc.data.fetch.download import Archive
from aigc.data.fetch.drum_names import class_by_name
from aigc.errors import DataError

PACKAGE = Archive(
    "hydrogen-drumkits_2017.09.19~dfsg-1_all.deb",
    (
        "https://deb.debian.org/debian/pool/main/h/hydrogen-drumkits/"
        "hydrogen-drumkits_2017.09.19~dfsg-1_all.deb",
        "https://snapshot.debian.org/file/6c4e3cd116eb4ec059f74456954e2e5922395e7a",
    ),
    142_675_622,
    "6ea3c6df9a67762e2362f946c695e619859126b19fbccf32a2e8f07dfd03b2f4",
    debian="hydrogen-drumkits",
)
FREE = ("CC0-1.0", "CC-BY-3.0")
"""Licences that ask for nothing, or for the creator's name."""


@dataclass(frozen=True)
class Kit:
    """Licence (SPDX) and creator as the package's copyright file has them."""

    licence: str
    creator: str

    @property
    def is_free(self) -> bool:
        return self.licence in FREE


KITS = {
    "Audiophob": Kit("CC0-1.0", "Audiophob"),
    "rumpf_kit_z01_h2": Kit("CC-BY-3.0", "Emanuel Rumpf"),
    "BJA_Pacific": Kit("CC-BY-SA-3.0-US", "Luc Tanguay"),
    "circAfrique v4": Kit("CC-BY-SA-3.0", "Jim Harney"),
    "ColomboAcousticDrumkit": Kit("GPL-2.0-or-later", "Marcos Guglielmetti"),
    "ElectricEmpireKit": Kit("GPL-2.0-or-later", "Artemiy Pavlov"),
    "HardElectro1": Kit("GPL-2.0-or-later", "Artemiy Pavlov"),
    "VariBreaks": Kit("GPL-2.0-or-later", "Artemiy Pavlov"),
    "ForzeeStereo": Kit("GPL-2.0-only", "Vladimir Sadovnikov, Alexander Belokurov"),
    "Gimme A Hand 1.0": Kit("GPL-2.0-only", "Glen MacArthur"),
    "The Black Pearl 1.0": Kit("GPL-2.0-only", "Glen MacArthur"),
    "Millo-Drums_v.1": Kit("GPL-2.0-only", "Emiliano Grilli"),
    "Millo_MultiLayered2": Kit("GPL-2.0-only", "Emiliano Grilli"),
    "Millo_MultiLayered3": Kit("GPL-2.0-only", "Emiliano Grilli"),
}
_FOLDER = "usr/share/hydrogen/data/drumkits/"
_TABLE = "drumkit.xml"
_SUFFIXES = (".flac", ".wav", ".aiff")
_OF_FREESOUND = re.compile(r"(\d+)__([\w-]+?)__")
_HOME = "https://packages.debian.org/source/bookworm/hydrogen-drumkits"


def is_wanted(member: str) -> bool:
    inside = member.startswith(_FOLDER) and member.count("/") == _FOLDER.count("/") + 1
    return inside and (member.endswith(_SUFFIXES) or PurePosixPath(member).name == _TABLE)


def files(members: dict[str, Path], everything: bool) -> Iterator[places.FetchedFile]:
    """The samples of free kits, or of all, whose instrument's name says what it is.

    Raises:
        DataError: a kit of `KITS` is not there, or its table is damaged.
    """
    for name, kit in KITS.items():
        if not (kit.is_free or everything):
            continue
        taken: set[str] = set()
        for instrument, file in _layers(name, members):
            label, path = class_by_name(instrument), members.get(f"{_FOLDER}{name}/{file}")
            if label and path is not None and file not in taken:
                taken.add(file)
                yield _file(name, kit, file, path, instrument, label)


def _layers(kit: str, members: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """(name of the instrument, file name) of each sample of a kit."""
    path = members.get(f"{_FOLDER}{kit}/{_TABLE}")
    if path is None:
        raise DataError(f"{PACKAGE.name}: has no kit {kit}")
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise DataError(f"{PACKAGE.name}: {kit}/{_TABLE} is damaged ({error})") from None
    for instrument in root.iter():
        if _tag(instrument) == "instrument":
            names = [part.text or "" for part in instrument if _tag(part) == "name"]
            for part in instrument.iter():
                if _tag(part) == "filename" and part.text and names:
                    yield names[0], part.text


def _tag(element: ElementTree.Element) -> str:
    """Without the namespace, which some kits have."""
    return element.tag.rpartition("}")[2]


def _file(
    name: str, kit: Kit, file: str, path: Path, instrument: str, label: str
) -> places.FetchedFile:
    creator, source = kit.creator, _HOME
    if match := _OF_FREESOUND.match(file):
        creator, source = match[2], f"https://freesound.org/s/{match[1]}/"
    return places.FetchedFile(
        _plain(f"{name}-{file}"),
        path.read_bytes(),
        f"{label}: {' '.join(instrument.split())}",
        label,
        kit.licence,
        creator,
        source,
    )


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
