from __future__ import annotations

import pytest

from aigc.errors import SpecError
from aigc.provenance.watermark.keys import PUBLIC, VARIABLE, key_from

DIGITS = "00112233445566778899aAbBcCdDeEfF"


def test_a_key_comes_from_the_environment_or_a_file(tmp_path) -> None:
    assert key_from({}) == key_from({VARIABLE: " "}) == PUBLIC
    assert key_from({VARIABLE: DIGITS}) == bytes.fromhex(DIGITS)
    file = tmp_path / "key"
    file.write_text(f"{DIGITS}\n")
    assert key_from({VARIABLE: str(file)}) == bytes.fromhex(DIGITS)


@pytest.mark.parametrize("held", ["/no/such/file", DIGITS[:30], DIGITS + "0", "secret", "\0"])
def test_what_is_no_key_is_refused_and_not_shown(held) -> None:
    with pytest.raises(
        SpecError, match="an even number of hexadecimal digits, 32 to 128"
    ) as refused:
        key_from({VARIABLE: held})
    assert held.strip("\0") == "" or held not in str(refused.value)


@pytest.mark.parametrize("content", [b"short", b"\xff\xfe", b""])
def test_files_without_a_key_are_refused(tmp_path, content) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SpecError, match="hexadecimal digits"):
        key_from({VARIABLE: str(file)})
