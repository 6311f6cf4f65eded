from __future__ import annotations

import io

import numpy as np
import pytest

from aigc.provenance import sounds
from tests.provenance.statements import SOUNDS, exiftool, sound

STATED = {"software": "aigc 0.1", "comment": "AI-generated", "date": "2026", "AIGC": '{"A":"ä"}'}
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'


@pytest.mark.parametrize("container", SOUNDS)
@pytest.mark.parametrize("extra", [0, 70_000])
def test_fields_are_read_back_and_samples_stay(container, extra) -> None:
    plain = sound(*container)
    packet = PACKET + b" " * extra
    marked = sounds.embed(plain, STATED, packet)
    assert sounds.fields(marked) == {**STATED, "XMP": packet.decode()}
    soundfile = pytest.importorskip("soundfile")
    before, rate = soundfile.read(io.BytesIO(plain), dtype="int16")
    after, new_rate = soundfile.read(io.BytesIO(marked), dtype="int16")
    assert rate == new_rate
    assert np.array_equal(before, after)


@pytest.mark.parametrize("container", SOUNDS)
def test_marking_twice_states_it_once(container) -> None:
    once = sounds.embed(sound(*container), STATED, PACKET)
    assert sounds.embed(once, STATED, PACKET) == once


@pytest.mark.parametrize("container", SOUNDS)
def test_exiftool_reads_the_fields(container, tmp_path) -> None:
    marked = sounds.embed(sound(*container), STATED, PACKET)
    found = exiftool(tmp_path, f"a.{container[0].lower()}", marked)
    assert not [name for name in found if "Warning" in name or "Error" in name]
    if container[0] == "WAV":
        assert found["RIFF:Software"] == "aigc 0.1"
        assert found["RIFF:Comment"] == "AI-generated"
    elif container[0] == "MP3":
        # Of frames that share a name, exiftool's JSON holds the last.
        assert found["ID3v2_4:UserDefinedText"] == '(AIGC) {"A":"ä"}'
    else:
        assert found["Vorbis:Comment"] == "AI-generated"
        assert found["Vorbis:Aigc"] == {"A": "ä"} or "ä" in str(found["Vorbis:Aigc"])


def test_other_files_are_refused() -> None:
    with pytest.raises(ValueError, match="not a WAV, FLAC, Ogg or MP3"):
        sounds.embed(b"RIFF\0\0\0\0WEBP", STATED, PACKET)
    assert sounds.fields(b"RIFF\0\0\0\0WEBP") == {}


@pytest.mark.parametrize("container", SOUNDS)
def test_damaged_files_raise_nothing(container) -> None:
    marked = sounds.embed(sound(*container), STATED, PACKET)[:4000]
    random = np.random.default_rng(0)
    for cut in range(0, len(marked), 13):
        sounds.fields(marked[:cut])
    for _ in range(300):
        broken = bytearray(marked)
        broken[random.integers(len(broken))] = random.integers(256)
        sounds.fields(bytes(broken))
