from __future__ import annotations

import builtins
import re
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import soundfile

from aigc.errors import SpecError
from aigc.modalities.audio import reading
from aigc.modalities.audio.containers import format_of
from aigc.modalities.audio.source import AudioSource
from aigc.modalities.base import RejectError
from tests.data.pictures import encoded as picture
from tests.data.pictures import noise
from tests.modalities.audio.sounds import KINDS, RATE, encoded, hit, spec


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read_whole(kind: str, channels: int) -> None:
    wave = hit(1, 0.5, channels=channels)
    data = encoded(wave, kind)
    assert format_of(data) == kind
    sound = reading.read(data, spec())
    assert sound.rate == RATE
    assert sound.samples.shape[1] == channels
    assert len(sound.samples) == pytest.approx(len(wave), abs=2400)  # MP3 pads
    exact = {"wav": 1e-4, "flac": 1e-4, "aiff": 1e-4}
    if kind in exact:
        assert np.abs(sound.samples - wave).max() < exact[kind]


@pytest.mark.parametrize("cut", [1, 100, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_is_rejected(kind: str, cut: float) -> None:
    data = encoded(hit(2, 2.0, channels=2), kind)
    end = int(len(data) * cut) if cut < 1 else len(data) - int(cut)
    with pytest.raises(RejectError, match="cut off"):
        reading.read(data[:end], spec())


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "aiff"])
def test_what_is_there_of_a_cut_file_can_be_kept(kind: str) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (RATE * 2, 1))
    data = encoded(wave, kind)
    kept = reading.read(data[: int(len(data) * 0.6)], spec(truncated="keep"))
    assert 0.1 * len(wave) < len(kept.samples) < len(wave)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("ogg", "OPUS"), ("wavex", "PCM_24"), ("rf64", "PCM_16"), ("wav", "DOUBLE"), ("wav", "ULAW")],
)
def test_other_kinds_of_these_formats_are_read_and_their_ends_checked(
    kind: str, subtype: str
) -> None:
    data = encoded(hit(2, 1.0, 48_000), kind, 48_000, subtype=subtype)
    assert len(reading.read(data, spec()).samples) == pytest.approx(48_000, abs=700)
    with pytest.raises(RejectError, match="cut off"):
        reading.read(data[:-100], spec())


def test_a_wav_file_that_was_written_into_a_pipe_is_whole() -> None:
    data = bytearray(encoded(hit(3)))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert len(reading.read(bytes(data), spec()).samples) == len(hit(3))


BROKEN = {
    "nothing": (b"", "empty file"),
    "text": (b"hello, sound", "not a sound: expected WAV, FLAC, OGG, MP3 or AIFF"),
    "picture": (picture(noise(1)), "a picture, not a sound"),
    "web page": (b"<!DOCTYPE html><title>404", "a web page, not a sound; download it again"),
    "MIDI": (b"MThd\0\0\0\6\0\1", "a MIDI file"),
    "M4A": (b"\0\0\0\x20ftypM4A \0\0\0\0", "an MP4 or M4A file; convert it"),
    "AU": (b".snd" + bytes(60), "an AU file; convert it to WAV or FLAC"),
    "AAC": (b"\xff\xf1\x50\x80" + bytes(60), "an AAC file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "header of WAV": (encoded(hit(1))[:30], "cut off before its first sample"),
    "header of FLAC": (encoded(hit(1), "flac")[:20], "a damaged FLAC file"),
    "MP3 of one frame": (encoded(hit(1), "mp3")[:30], "a damaged MP3 file"),
    "no samples": (encoded(np.empty((0, 1))), "holds no samples"),
    "noise after a magic number": (b"OggS" + bytes(range(256)) * 4, "OGG|cut off"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_sound_is_rejected_with_what_it_is(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(RejectError, match=reason) as caught:
        reading.read(data, spec())
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_other_formats_of_libsndfile_are_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("opened")

    files = {
        kind: encoded(hit(1), kind)
        for kind in ("au", "caf", "voc", "w64", "nist", "svx", "ircam", "wve", "mat5", "pvf")
        if kind.upper() in soundfile.available_formats()
        and "PCM_16" in soundfile.available_subtypes(kind.upper())
    }
    assert len(files) >= 5
    monkeypatch.setattr(soundfile, "SoundFile", refuse)
    for kind, data in files.items():
        with pytest.raises(RejectError):
            reading.read(data, spec())
        assert not format_of(data), kind


def test_a_long_file_is_rejected_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(np.zeros((RATE * 61, 1)), "flac")
    monkeypatch.setattr(reading, "_decoded", None)
    with pytest.raises(RejectError, match=re.escape("lasts 61.0 s, more than max_seconds = 60")):
        reading.read(data, spec())


def test_a_file_that_lies_about_its_length_is_not_read_to_its_end() -> None:
    data = bytearray(encoded(hit(1, 3.0)))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(RejectError, match="more than max_seconds = 2"):
        reading.read(bytes(data), spec(max_seconds=2))


def test_many_channels_and_odd_rates_are_rejected() -> None:
    with pytest.raises(RejectError, match="6 channels; mix it down to one or two"):
        reading.read(encoded(np.zeros((100, 6))), spec())
    with pytest.raises(RejectError, match="1,000 samples a second"):
        reading.read(encoded(hit(1), rate=1_000), spec())


def test_values_that_are_no_numbers_are_rejected() -> None:
    wave = hit(1)
    wave[5] = np.nan
    with pytest.raises(RejectError, match="no numbers"):
        reading.read(encoded(wave, subtype="FLOAT"), spec())


def test_threads_read_alike_and_standard_error_comes_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    whole = encoded(hit(4, 1.0), "mp3")
    files = [whole, whole[: len(whole) // 2]] * 20

    def read(data: bytes) -> bytes:
        return reading.read(data, spec(truncated="keep")).samples.tobytes()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, files))
    assert len(set(found)) == 2
    sys.stderr.write("back\n")
    assert capfd.readouterr().err == "back\n"


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "soundfile":
            raise ModuleNotFoundError("No module named 'soundfile'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpecError, match=r"pip install 'aigc\[audio\]'") as caught:
        AudioSource().require()
    assert "\n" not in str(caught.value)
