"""Drums among Sonic Pi's samples: sounds of freesound.org in the public domain (CC0)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aigc.data.fetch import folder as places
from aigc.data.fetch.download import Archive
from aigc.errors import DataError

PACKAGE = Archive(
    "sonic-pi-samples_3.2.2~repack-8_all.deb",
    (
        "https://deb.debian.org/debian/pool/main/s/sonic-pi/"
        "sonic-pi-samples_3.2.2~repack-8_all.deb",
        "https://snapshot.debian.org/file/94ecb2b513353cae6151e4ca6c7c01ebf8577497",
    ),
    21_882_696,
    "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
    debian="sonic-pi-samples",
)
LICENCE = "CC0-1.0"
_FOLDER = "usr/share/sonic-pi/samples/"
_LINKS = f"{_FOLDER}README.md"
_LINK = re.compile(
    r"\* `:(\w+)` *- *(https?://(?:www\.)?freesound\.org/people/([^/]+)/sounds/\d+/)"
)
_CLASSES = {
    "kick": "bd_.*|drum_bass_.*|drum_heavy_kick|elec_(hollow|soft)_kick",
    "snare": "sn_.*|drum_snare_.*|elec_((lo|mid|hi|filt)_)?snare",
    "hihat": "drum_cymbal_(closed|open|pedal)",
    "tom": "drum_tom_.*|elec_fuzz_tom",
    "cymbal": "drum_cymbal_(hard|soft)|drum_splash_.*|elec_cymbal",
    "percussion": "drum_cowbell|tabla_.*|perc_(bell2?|snap2?|impact\\d)|glitch_perc\\d|"
    "elec_(bell|tick|triangle|wood)",
}


def is_wanted(member: str) -> bool:
    return member == _LINKS or (bool(_label(member)) and member.endswith(".flac"))


def files(members: dict[str, Path]) -> Iterator[places.FetchedFile]:
    """The drums among the members of the package, each with who published it where.

    Raises:
        DataError: the list of links lacks one of them.
    """
    if _LINKS not in members:
        raise DataError(f"{PACKAGE.name}: has no {_LINKS}")
    links = {
        _plain(name): (who, address)
        for name, address, who in _LINK.findall(members[_LINKS].read_text("utf-8", "replace"))
    }
    for member, path in sorted(members.items()):
        if not member.endswith(".flac"):
            continue
        stem = PurePosixPath(member).stem
        if _plain(stem) not in links:
            raise DataError(f"{PACKAGE.name}: no source is named of {stem}")
        who, address = links[_plain(stem)]
        label = _label(member)
        yield places.FetchedFile(
            f"sonic-pi-{stem}.flac",
            path.read_bytes(),
            f"{label}: {stem.replace('_', ' ')}",
            label,
            LICENCE,
            who.replace("%20", " "),
            address,
        )


def _label(member: str) -> str:
    stem = PurePosixPath(member).stem
    inside = member.startswith(_FOLDER)
    return next((c for c, names in _CLASSES.items() if inside and re.fullmatch(names, stem)), "")


def _plain(name: str) -> str:
    """The list has perc_impact_1 for perc_impact1."""
    return name.replace("_", "")
