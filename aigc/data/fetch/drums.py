"""Single drum hits in six classes, from three packages of free sounds.

| package | licence | what is taken |
|---|---|---|
| sonic-pi-samples | CC0 | drums and tablas, published on freesound.org |
| hydrogen-drumkits | per kit | CC0 and CC BY; with `licences` = all also CC BY-SA and GPL |
| fluid-soundfont-gm | MIT | the samples of its drum kits |

CC BY-SA and GPL ask that a work made from the sounds carries the same licence. Whether what a model
makes is such a work is not settled, so these kits are left out unless they are asked for.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aigc.data.fetch import folder as places
from aigc.data.fetch import hydrogen, sonic_pi
from aigc.data.fetch.archives import Wanted, deb_members
from aigc.data.fetch.download import Archive, obtain
from aigc.data.fetch.drum_names import CLASSES, class_by_key, class_by_name
from aigc.data.fetch.options import FetchOptions, Say
from aigc.data.fetch.soundfont import SoundFont
from aigc.errors import DataError

FLUID = Archive(
    "fluid-soundfont-gm_3.1-5.3_all.deb",
    (
        "https://deb.debian.org/debian/pool/main/f/fluid-soundfont/"
        "fluid-soundfont-gm_3.1-5.3_all.deb",
        "https://snapshot.debian.org/file/9cf2ecd68b96de93f048708ea52728eca171f692",
    ),
    119_610_208,
    "6f531493ac4e4d9772fd96b2488ea1790af81c196135fbdd25997da0781fc60e",
    debian="fluid-soundfont-gm",
)
ABOUT = {
    "set": "drums",
    "name": "Drum one-shots",
    "url": "https://packages.debian.org/bookworm/sound/",
}
_FREE = "CC0-1.0 AND CC-BY-3.0 AND MIT"
_ALL = f"{_FREE} AND CC-BY-SA-3.0 AND CC-BY-SA-3.0-US AND GPL-2.0-only AND GPL-2.0-or-later"
_FLUID_FONT = "usr/share/sounds/sf2/FluidR3_GM.sf2"
_FLUID_SOURCE = "https://packages.debian.org/bookworm/fluid-soundfont-gm"
_ORCHESTRA = "Orchestra"
"""The kits whose keys are not those of General MIDI."""
_MOST_BYTES = 512 * 2**20


def fetch(folder: Path, options: FetchOptions, say: Say) -> bool:
    """Single hits of drums: kick, snare, hihat, tom, cymbal, percussion.

    Each row of `metadata.csv` names the sound's licence, its creator and where it was published.

    Returns False when all was there and right. Raises DataError when a package cannot be had,
    SpecError when `folder` holds something else.
    """
    options.refuse("drums", "background", "turntable")
    everything = options.takes_all()
    about = ABOUT | {"licence": _ALL if everything else _FREE}
    if places.is_there(folder, about):
        return False
    with places.disk_errors(folder), tempfile.TemporaryDirectory() as scratch:
        opened = _Packages(Path(scratch), options, say)
        files = list(_files(opened, everything))
        places.write(folder, about, files, _licence(opened.texts))
    counts = Counter(file.label for file in files)
    shown = ", ".join(f"{name} {counts[name]}" for name in CLASSES)
    say(f"{len(files):,} sounds with licences and creators written: {shown}")
    return True


class _Packages:
    """Downloads and unpacks; collects the copyright files on the way."""

    def __init__(self, scratch: Path, options: FetchOptions, say: Say) -> None:
        self._scratch, self._options, self._say = scratch, options, say
        self.texts: dict[str, str] = {}

    def open(self, archive: Archive, wanted: Wanted) -> dict[str, Path]:
        """The wanted members as files."""
        copyright_file = f"usr/share/doc/{archive.debian}/copyright"
        package = obtain(archive, self._scratch, self._say, self._options.archives)
        folder = self._scratch / archive.debian
        folder.mkdir()
        members = deb_members(
            package, lambda name: name == copyright_file or wanted(name), _MOST_BYTES, folder
        )
        if text := members.pop(copyright_file, None):
            self.texts[archive.debian] = text.read_text("utf-8", "replace")
        return members


def _files(packages: _Packages, everything: bool) -> Iterator[places.FetchedFile]:
    yield from sonic_pi.files(packages.open(sonic_pi.PACKAGE, sonic_pi.is_wanted))
    yield from hydrogen.files(packages.open(hydrogen.PACKAGE, hydrogen.is_wanted), everything)
    members = packages.open(FLUID, lambda name: name == _FLUID_FONT)
    if _FLUID_FONT not in members:
        raise DataError(f"{FLUID.name}: has no {_FLUID_FONT}")
    yield from _of_fluid(SoundFont(members[_FLUID_FONT], FLUID.name))


def _of_fluid(font: SoundFont) -> Iterator[places.FetchedFile]:
    for sample in font.kit_samples():
        label = class_by_name(sample.name) or class_by_key(sample.key)
        if not label or sample.kit.startswith(_ORCHESTRA) or not class_by_key(sample.key):
            continue
        name = re.sub(r"[^a-z0-9]+", "-", sample.name.lower()).strip("-")
        text = f"{label}: {sample.name}"
        yield places.FetchedFile(
            f"fluid-{name}.wav", sample.data, text, label, "MIT", "Frank Wen", _FLUID_SOURCE
        )


def _licence(texts: dict[str, str]) -> str:
    note = (
        "Sounds of Debian's packages sonic-pi-samples, hydrogen-drumkits and fluid-soundfont-gm.\n"
        "metadata.csv names the licence, the creator and the source of each. The files are those\n"
        "of the packages; the samples of fluid-soundfont-gm were written as WAV. The packages'\n"
        "copyright files follow.\n"
    )
    return note + "".join(f"\n==== {name} ====\n\n{text}" for name, text in texts.items())
