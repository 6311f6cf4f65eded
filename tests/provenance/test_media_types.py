from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from aigc.provenance.checking import CredentialReader
from aigc.provenance.media_types import media_type


def image(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format)
    return file.getvalue()


def sound(format: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(4000, np.float32), 16_000, format=format)
    return file.getvalue()


FILES = {
    "image/png": image("PNG"),
    "image/jpeg": image("JPEG"),
    "image/webp": image("WEBP"),
    "audio/wav": sound("WAV"),
    "audio/flac": sound("FLAC"),
    "audio/ogg": sound("OGG"),
    "audio/mpeg": sound("MP3"),
    "": image("GIF"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_are_known_by_their_first_bytes_and_checked_for_credentials(kind: str) -> None:
    assert media_type(FILES[kind]) == kind
    assert CredentialReader().check(FILES[kind]).standing == "not_present"


def test_an_mp3_with_and_without_a_tag_is_of_one_kind() -> None:
    assert not FILES["audio/mpeg"].startswith(b"ID3")
    assert media_type(b"ID3\x04" + bytes(40)) == "audio/mpeg"
