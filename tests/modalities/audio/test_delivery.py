"""Finished sounds: files and back, rates, the label, what is refused and what people see."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from aigc.errors import SpecError
from aigc.modalities import MODALITIES, ItemType
from aigc.modalities.audio import files, ogg
from aigc.modalities.audio.delivery import SoundForm
from aigc.provenance.label import DIGITAL_SOURCE_TYPE, XMP
from aigc.specs import DegenerateGate

AUDIO = MODALITIES["audio"].delivery
RATE, SAMPLES = 16_000, 4_000
CODECS = ("wav", "flac", "ogg")
LIMITS = {name: getattr(DegenerateGate(), name) for name in AUDIO.limits}


def tones(count: int = 3, channels: int = 1) -> npt.NDArray[np.int16]:
    """int16 (N, T, C): decaying sines of different pitch."""
    t = np.arange(SAMPLES) / RATE
    pitch = 220 * 2 ** (np.arange(count * channels) / 5)
    waves = np.sin(2 * np.pi * pitch[:, None] * t) * np.exp(-6 * t) * 20_000
    return waves.reshape(count, channels, SAMPLES).transpose(0, 2, 1).astype(np.int16)


def form(channels: int = 1, **asked: object) -> SoundForm:
    found = AUDIO.form_of(ItemType((SAMPLES, channels), "int16", RATE), asked)
    assert isinstance(found, SoundForm)
    return found


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("codec", CODECS)
def test_other_software_reads_what_we_write(codec: str, channels: int) -> None:
    sounds, asked = tones(channels=channels), form(channels, codec=codec)
    wanted = AUDIO.format_of(asked)
    for sound, file in zip(sounds, AUDIO.encode(sounds, asked, wanted), strict=True):
        read, rate = soundfile.read(io.BytesIO(file), dtype="int16", always_2d=True)
        assert (rate, read.shape) == (RATE, sound.shape)
        decoded = AUDIO.decode(file, asked, wanted)
        assert np.array_equal(decoded, read)
        if codec == "ogg":
            error = np.abs(read.astype(int) - sound).max()
            assert 0 < error < 1_000, "Vorbis loses something, and little"
        else:
            assert np.array_equal(read, sound)


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_sound_gives_the_same_file_whatever_its_neighbours(codec: str) -> None:
    sounds = tones(5)
    for asked in (form(codec=codec), form(codec=codec, rate=22_050)):
        wanted = AUDIO.format_of(asked)
        together = AUDIO.encode(sounds, asked, wanted)
        alone = [AUDIO.encode(sound[None], asked, wanted)[0] for sound in sounds]
        assert together == alone == AUDIO.encode(sounds, asked, wanted)
        assert len(set(together)) == 5


def test_libsndfile_alone_draws_serial_numbers() -> None:
    """What `ogg.with_serial` is for: without it two files of one sound differ in their serials."""

    def encoded() -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, tones(1)[0], RATE, format="OGG", subtype="VORBIS")
        return buffer.getvalue()

    found = [encoded() for _ in range(20)]
    assert len(set(found)) > 1
    assert len({ogg.with_serial(data) for data in found}) == 1


def test_checksums_of_pages_are_those_of_the_encoder() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, tones(1)[0], RATE, format="OGG", subtype="VORBIS")
    data = buffer.getvalue()
    serial = int(struct.unpack_from("<I", data, 14)[0])
    assert ogg.with_serial(data, serial) == data
    assert ogg.with_serial(ogg.with_serial(data, 7), serial) == data
    for broken in (data[:-1], b"RIFF" + data[4:], data + b"OggS"):
        with pytest.raises(ValueError, match="no whole Ogg page at byte"):
            ogg.with_serial(broken)


@pytest.mark.parametrize("codec", CODECS)
def test_each_file_says_that_it_is_ai_generated(codec: str) -> None:
    sounds, asked = tones(1), form(codec=codec)
    wanted = AUDIO.format_of(asked)
    (marked,) = AUDIO.encode(sounds, asked, wanted)
    (plain,) = AUDIO.encode(sounds, asked, wanted, labelled=False)
    with soundfile.SoundFile(io.BytesIO(marked)) as file:
        assert file.comment == files.COMMENT
        assert DIGITAL_SOURCE_TYPE in file.comment
    with soundfile.SoundFile(io.BytesIO(plain)) as file:
        assert DIGITAL_SOURCE_TYPE not in file.comment
    assert (XMP in marked) == (codec == "wav")
    assert np.array_equal(AUDIO.decode(marked, asked, wanted), AUDIO.decode(plain, asked, wanted))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_a_resampled_tone_keeps_its_pitch_length_and_level(rate: int) -> None:
    sounds, asked = tones(1), form(rate=rate)
    wanted = AUDIO.format_of(asked)
    (file,) = AUDIO.encode(sounds, asked, wanted)
    made = AUDIO.decode(file, asked, wanted)[:, 0].astype(float)
    assert len(made) == AUDIO.delivered(asked, wanted).shape[0] == round(SAMPLES * rate / RATE)
    before = np.abs(np.fft.rfft(sounds[0, :, 0].astype(float)))
    after = np.abs(np.fft.rfft(made))
    assert before.argmax() == after.argmax() == round(220 * SAMPLES / RATE)
    assert np.abs(made).max() == pytest.approx(np.abs(sounds).max(), rel=0.03)


def test_full_scale_is_clipped_and_not_wrapped() -> None:
    loud = torch.tensor([[[1.5, 1.0, -1.0, -1.5, 0.5, 0.0]]])
    assert AUDIO.items(loud).squeeze().tolist() == [32767, 32767, -32768, -32768, 16384, 0]
    stereo = torch.zeros(2, 2, 7)
    stereo[1, 1, 3] = 0.25
    items = AUDIO.items(stereo).numpy()
    assert items.shape == (2, 7, 2)
    assert items.dtype == np.int16
    assert items[1, 3].tolist() == [0, 8192]
    square = np.where(np.arange(SAMPLES) // 40 % 2, 32767, -32768).astype(np.int16)[None, :, None]
    asked = form(rate=44_100)
    wanted = AUDIO.format_of(asked)
    made = AUDIO.decode(AUDIO.encode(square, asked, wanted)[0], asked, wanted)
    steps = np.abs(np.diff(made[:, 0].astype(int)))
    assert np.count_nonzero(steps > 50_000) <= SAMPLES // 40, "overshoot of a filter never wraps"


def test_silent_and_clipped_sounds_are_named() -> None:
    sounds = tones(5)
    sounds[1] = 0
    sounds[2] = 300  # a constant is not heard
    sounds[3] //= 2_000
    sounds[4] = np.clip(sounds[4].astype(int) * 20, -32768, 32767)
    found = AUDIO.degenerate(sounds, LIMITS)
    assert {reason: np.flatnonzero(rows).tolist() for reason, rows in found.items()} == {
        "silent": [1, 2, 3],
        "clipped": [4],
    }


def test_damaged_files_and_other_rates_are_errors() -> None:
    asked = form()
    wanted = AUDIO.format_of(asked)
    (file,) = AUDIO.encode(tones(1), asked, wanted)
    other = AUDIO.format_of(asked, {"rate": 8_000})
    with pytest.raises(ValueError, match="16000 samples a second, expected 8000"):
        AUDIO.decode(file, asked, other)
    for broken in (b"", b"RIFFxxxxWAVE", b"\x89PNG\r\n", file[:30]):
        with pytest.raises(ValueError, match="not a readable sound"):
            AUDIO.decode(broken, asked, wanted)
    cut = AUDIO.decode(file[:-2_000], asked, wanted)
    assert len(cut) < SAMPLES, "verify compares the shape"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"codec": "png"}, "codec = 'png': sounds are written as wav, flac, ogg"),
        ({"width": 28}, "width = 28: sounds have no width; set one of codec, quality, rate"),
        ({"rate": 100}, "rate = 100: input should be greater than or equal to 4000"),
        ({"colour": "grey"}, "colour = grey: sounds have no colour"),
    ],
)
def test_what_cannot_be_delivered_is_one_line(asked: dict, expected: str) -> None:
    with pytest.raises(SpecError, match=expected) as caught:
        form(**asked)
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(SpecError, match=r"pip install .*aigc\[audio\]"):
        form()


def test_a_sound_is_seen_and_played() -> None:
    asked = form(channels=2, codec="flac")
    wanted = AUDIO.format_of(asked)
    sounds = tones(2, channels=2)
    looks = [AUDIO.look(sound, asked, 256) for sound in sounds]
    assert looks[0].shape == looks[1].shape
    assert looks[0].shape[2] == 3
    assert not np.array_equal(looks[0], looks[1])
    assert max(AUDIO.look(sounds[0], asked, 40).shape[:2]) <= 40
    page = AUDIO.element(AUDIO.encode(sounds, asked, wanted)[0], asked, wanted, 'a "b"')
    assert 'src="data:audio/flac;base64,' in page
    assert 'src="data:image/png;base64,' in page
    assert "a &quot;b&quot;" in page


def test_columns_and_descriptions() -> None:
    asked = form(codec="ogg")
    formats = [AUDIO.format_of(asked), AUDIO.format_of(asked, {"rate": 8_000, "codec": "wav"})]
    assert AUDIO.feature(asked, formats[:1]) == {"_type": "Audio", "sampling_rate": RATE}
    assert AUDIO.feature(asked, formats) == {"_type": "Audio", "sampling_rate": None}
    assert AUDIO.described(asked) == "0.25 s, 16,000 Hz, mono, ogg"
    assert AUDIO.described(asked, by_briefs=True) == "rate and codec; 0.25 s, mono"
    gap = AUDIO.gap(np.array([[1], [2]], np.int16), np.array([[1], [-30_000]], np.int16))
    assert gap == "in 50.0% of its samples, by at most 30002 of 32,768"
