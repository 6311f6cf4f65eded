from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aigc.data.fetch import FetchOptions, drums, fetch, hydrogen, sonic_pi
from aigc.data.fetch.drum_names import CLASSES, class_by_key, class_by_name
from aigc.data.fetch.soundfont import SoundFont
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError
from tests.data.fetch.packs import Files, deb, pinned
from tests.modalities.audio.sounds import encoded, hit, spec

SAMPLES = "usr/share/sonic-pi/samples/"
KITS = "usr/share/hydrogen/data/drumkits/"
LINKS = """\
## Drums
* `:bd_808`  - http://freesound.org/people/EK%20Velika/sounds/208447/
* `:perc_impact_1`- https://www.freesound.org/people/hullum/sounds/415578/
* `:tabla_na` - http://freesound.org/people/dio_333/sounds/130406/ **(link deprecated)**
* `:ambi_drone` - http://freesound.org/people/someone/sounds/1/
"""
KIT = """<?xml version="1.0" encoding="UTF-8"?>
<drumkit_info{space}><name>Kit</name><instrumentList>{instruments}</instrumentList></drumkit_info>
"""
INSTRUMENT = (
    "<instrument><name>{name}</name><layer><filename>{file}</filename></layer></instrument>"
)


HEADER = struct.Struct("<20sIIIIIBbHH")


def sonic() -> Files:
    files = {f"{SAMPLES}README.md": LINKS.encode()}
    for number, name in enumerate(("bd_808", "perc_impact1", "tabla_na", "ambi_drone")):
        files[f"{SAMPLES}{name}.flac"] = encoded(hit(number), "flac")
    return files | {"usr/share/doc/sonic-pi-samples/copyright": b"All CC0."}


def kits() -> Files:
    """Two instruments a kit; a sample that is listed twice, and one whose name says nothing."""
    files = {"usr/share/doc/hydrogen-drumkits/copyright": b"By kit."}
    for number, name in enumerate(hydrogen.KITS):
        layers = [("Kick", f"k{number}.wav"), ("Closed HH", "12__ann__hat.wav")]
        layers += [("Kick again", f"k{number}.wav"), ("Sample: x", "x.wav"), ("Tom", "gone.wav")]
        text = "".join(INSTRUMENT.format(name=n, file=f) for n, f in layers)
        space = ' xmlns="http://www.hydrogen-music.org/drumkit"' if number % 2 else ""
        files[f"{KITS}{name}/drumkit.xml"] = KIT.format(instruments=text, space=space).encode()
        for file in (f"k{number}.wav", "12__ann__hat.wav", "x.wav"):
            files[f"{KITS}{name}/{file}"] = encoded(hit(number + len(file)))
    return files


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def font(samples: list[tuple[str, int, int]], frames: int = 400) -> bytes:
    """A SoundFont with one drum kit that plays `samples` (name, kind, key), `frames` long each."""
    rng = np.random.default_rng(0)
    wave = rng.integers(-9_000, 9_000, frames * len(samples)).astype("<i2").tobytes()
    headers = b"".join(
        HEADER.pack(name.encode(), at * frames, (at + 1) * frames, 0, 0, 8_000, 60, 0, 0, kind)
        for at, (name, kind, _) in enumerate([*samples, ("EOS", 0, 0)])
    )
    zones = [(43, key | key << 8, 53, at) for at, (_, _, key) in enumerate(samples)]
    igen = b"".join(struct.pack("<HHHH", *zone) for zone in zones) + bytes(4)
    ibag = b"".join(struct.pack("<HH", 2 * at, 0) for at in range(len(zones) + 1))
    inst = b"".join(struct.pack("<20sH", b"Drums", at) for at in (0, len(zones)))
    phdr = b"".join(
        struct.pack("<20sHHHIII", name, preset, bank, bag, 0, 0, 0)
        for name, preset, bank, bag in (
            (b"Piano", 0, 0, 0),
            (b"Standard", 0, 128, 1),
            (b"EOP", 0, 0, 2),
        )
    )
    pbag = b"".join(struct.pack("<HH", at, 0) for at in (0, 1, 2))
    pgen = struct.pack("<HHHHHH", 41, 0, 41, 0, 0, 0)
    tables = {b"phdr": phdr, b"pbag": pbag, b"pgen": pgen, b"inst": inst, b"ibag": ibag}
    tables |= {b"igen": igen, b"shdr": headers}
    inner = b"pdta" + b"".join(chunk(name, data) for name, data in tables.items())
    lists = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"tiny"))
    lists += chunk(b"LIST", b"sdta" + chunk(b"smpl", wave)) + chunk(b"LIST", inner)
    return b"RIFF" + struct.pack("<I", len(lists) + 4) + b"sfbk" + lists


SAMPLED = [("Kick 1", 1, 36), ("Snr 2(L)", 4, 40), ("Snr 2(R)", 2, 40), ("Whistle", 1, 71)]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "packages"
    fluid = {drums._FLUID_FONT: font(SAMPLED)}
    for holder, name, files in (
        (sonic_pi, "PACKAGE", sonic()),
        (hydrogen, "PACKAGE", kits()),
        (drums, "FLUID", fluid),
    ):
        debian = getattr(holder, name).debian
        monkeypatch.setattr(holder, name, pinned(place / f"{debian}.deb", deb(files), debian))
    return place


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metadata.csv").open() as file:
        return {row["file_name"]: row for row in csv.DictReader(file)}


def test_each_clip_keeps_its_licence_creator_and_source(packages: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    assert fetch("drums", str(tmp_path / "raw"), heard.append)
    found = rows(tmp_path / "raw")
    assert found["kick/sonic-pi-bd_808.flac"] == {
        "file_name": "kick/sonic-pi-bd_808.flac",
        "text": "kick: bd 808",
        "label": "kick",
        "licence": "CC0-1.0",
        "creator": "EK Velika",
        "source": "http://freesound.org/people/EK%20Velika/sounds/208447/",
    }
    assert found["percussion/sonic-pi-perc_impact1.flac"]["creator"] == "hullum"
    assert found["kick/rumpf_kit_z01_h2-k1.wav"]["licence"] == "CC-BY-3.0"
    of_freesound = found["hihat/Audiophob-12__ann__hat.wav"]
    assert (of_freesound["creator"], of_freesound["source"]) == (
        "ann",
        "https://freesound.org/s/12/",
    )
    assert found["snare/fluid-snr-2.wav"]["licence"] == "MIT"
    assert {row["licence"] for row in found.values()} == {"CC0-1.0", "CC-BY-3.0", "MIT"}
    assert len(found) == 3 + 2 * 2 + 2
    assert not any("ambi" in name or "histle" in name or "-x.wav" in name for name in found)
    assert heard[-1] == (
        "9 sounds with licences and creators written: kick 4, snare 1, hihat 2, tom 0, cymbal 0, "
        "percussion 2"
    )
    assert "All CC0." in (tmp_path / "raw/LICENSE").read_text()
    assert not fetch("drums", str(tmp_path / "raw"))


def test_kits_under_share_alike_licences_are_asked_for(packages: Path, tmp_path: Path) -> None:
    fetch("drums", str(tmp_path / "all"), options=FetchOptions(licences="all"))
    found = rows(tmp_path / "all")
    kits = {name for name, row in found.items() if row["text"] == "kick: Kick"}
    assert len(kits) == len(hydrogen.KITS)
    assert {"GPL-2.0-only", "CC-BY-SA-3.0"} <= {row["licence"] for row in found.values()}
    with pytest.raises(SpecError, match="holds a set fetched with licence"):
        fetch("drums", str(tmp_path / "all"))


def test_a_fetched_set_can_be_prepared_with_its_credits(packages: Path, tmp_path: Path) -> None:
    fetch("drums", str(tmp_path / "raw"))
    chosen = {"max_clipped": 1, "near_duplicates": "keep", "max_rejects": 9}
    made = run(spec(tmp_path / "raw", tmp_path / "out", **chosen))
    assert made["labels"] == ["hihat", "kick", "percussion", "snare"]
    credits = (tmp_path / "out/attribution.csv").read_text()
    assert "CC0-1.0,hullum,1" in credits
    assert "CC-BY-3.0,Emanuel Rumpf,1" in credits
    assert (tmp_path / "out/LICENSE").exists()


def test_stereo_samples_of_a_soundfont_have_both_sides(tmp_path: Path) -> None:
    (tmp_path / "tiny.sf2").write_bytes(font(SAMPLED))
    samples = {one.name: one for one in SoundFont(tmp_path / "tiny.sf2", "tiny").kit_samples()}
    assert {name: one.key for name, one in samples.items()} == {
        "Kick 1": 36,
        "Snr 2": 40,
        "Whistle": 71,
    }
    (tmp_path / "snare.wav").write_bytes(samples["Snr 2"].data)
    wave, rate = soundfile.read(tmp_path / "snare.wav", dtype="int16")
    rng = np.random.default_rng(0).integers(-9_000, 9_000, 1600).reshape(4, 400)
    assert rate == 8_000
    assert np.array_equal(wave, rng[1:3].T)


@pytest.mark.parametrize("damage", ["cut", "other", "short tables"])
def test_a_damaged_soundfont_is_one_line(tmp_path: Path, damage: str) -> None:
    whole = font(SAMPLED)
    data = {"cut": whole[:900], "other": b"RIFF\0\0\0\0WAVE", "short tables": whole[:-40]}[damage]
    (tmp_path / "bad.sf2").write_bytes(data)
    with pytest.raises(DataError, match=r"bad: (not a SoundFont, or )?damaged") as caught:
        list(SoundFont(tmp_path / "bad.sf2", "bad").kit_samples())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (f"{SAMPLES}README.md", "has no usr/share/sonic-pi/samples/README.md"),
        (f"{KITS}Audiophob/drumkit.xml", "has no kit Audiophob"),
    ],
)
def test_a_package_without_its_tables_is_refused(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str
) -> None:
    for holder, files in ((sonic_pi, sonic()), (hydrogen, kits())):
        left = {name: data for name, data in files.items() if name != missing}
        debian = holder.PACKAGE.debian
        archive = pinned(packages / f"other-{debian}.deb", deb(left), debian)
        monkeypatch.setattr(holder, "PACKAGE", archive)
    with pytest.raises(DataError, match=message):
        fetch("drums", str(tmp_path / "raw"))
    assert not (tmp_path / "raw").exists()


def test_archives_that_were_downloaded_are_used(packages: Path, tmp_path: Path) -> None:
    given = packages.rename(tmp_path / "given")
    assert fetch("drums", str(tmp_path / "raw"), options=FetchOptions(archives=given))
    damaged = given / "fluid-soundfont-gm.deb"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="not the published file"):
        fetch("drums", str(tmp_path / "again"), options=FetchOptions(archives=given))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FetchOptions(licences="some"), "licences = 'some': expected free or all"),
        (FetchOptions(turntable=3), "turntable = '3': drums does not take it"),
    ],
)
def test_options_that_drums_do_not_take(
    tmp_path: Path, options: FetchOptions, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        fetch("drums", str(tmp_path / "raw"), options=options)


@pytest.mark.parametrize("name", ["emoji", "digits", "furniture", "fashion-mnist"])
def test_other_sets_do_not_take_licences(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="licences = 'all'"):
        fetch(name, str(tmp_path / "raw"), options=FetchOptions(licences="all"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("c3 - bass drum 1", "kick"),
        ("Kick Lite 1", "kick"),
        ("Snare Rock", "snare"),
        ("Snr 1-2", "snare"),
        ("Closed HH", "hihat"),
        ('Hi-Hat Pedal (Paiste Alpha Metal edge 14")', "hihat"),
        ("Sabian Hat Swish", "hihat"),
        ('Crash/Ride Bell (Paiste Rude Crash/Ride 18")', "cymbal"),
        ("ride-crash20inch", "cymbal"),
        ("Paiste Bell", "cymbal"),
        ('Tom High (Tama Superstar 12")', "tom"),
        ("tomhi2", "tom"),
        ("Rim Click (Pearl Free Floating Maple 14x3.5)", "percussion"),
        ("Pearl Side Stick", "percussion"),
        ("Djembe1 Slap", "percussion"),
        ("Snare Roll", ""),
        ("redo super opaco", ""),
        ("17", ""),
        ("Sample: beats_01-10.flac", ""),
        ("Whistle", ""),
    ],
)
def test_a_name_says_the_class(name: str, label: str) -> None:
    assert class_by_name(name) == label


def test_each_key_has_one_class_at_most() -> None:
    found = {key: class_by_key(key) for key in range(128)}
    assert set(found.values()) == {*CLASSES, ""}
    assert (found[36], found[38], found[42], found[49], found[71]) == (
        "kick", "snare", "hihat", "cymbal", "",
    )  # fmt: skip
