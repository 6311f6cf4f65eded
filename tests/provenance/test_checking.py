"""Falsified files are found out. docs/provenance.md has the same in thousands."""

from __future__ import annotations

import numpy as np
import pytest

from aigc.provenance import checking
from aigc.provenance.chains import issue
from aigc.provenance.checking import CredentialReader
from tests.provenance import tampering
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import marked, root, root_pem, signer
from tests.provenance.statements import ITEM, PICTURES
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def reader() -> CredentialReader:
    return CredentialReader([root_pem()])


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_one_changed_bit_among_the_pixels_is_found_out(codec, quality, reader) -> None:
    random, signs = np.random.default_rng(0), signer()
    for seed in range(10):
        file = signs.sign(marked(codec, quality, seed=seed), codec, ITEM)
        found = reader.check(tampering.change_pixel(file, random))
        assert found.standing == "invalid"
        assert found.problems == ("assertion.dataHash.mismatch",)
        assert reader.check(file).standing == "trusted"


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
def test_changed_metadata_is_found_out(codec, reader) -> None:
    file = signer().sign(marked(codec), codec, ITEM)
    found = reader.check(tampering.change_metadata(file, b"shoes", b"boots"))
    assert (found.standing, found.problems) == ("invalid", ("assertion.dataHash.mismatch",))


def test_a_credential_on_another_picture_is_found_out(reader) -> None:
    file = signer().sign(marked("jpeg", seed=1), "jpeg", ITEM)
    for other in (marked("jpeg", seed=2), tampering.reencode(file)):
        found = reader.check(tampering.move_credential(file, other))
        assert (found.standing, found.problems) == ("invalid", ("assertion.dataHash.mismatch",))
    assert reader.check(tampering.reencode(file)).standing == "not_present"


def test_swapped_and_removed_time_stamps_are_found_out(reader) -> None:
    with time_stamp_authority(root()) as authority:
        signs = signer(authority=authority.url)
        swapped = tampering.swap_time_stamps(lambda: signs.sign(marked("jpeg"), "jpeg", ITEM))
    for file in swapped:
        found = reader.check(file)
        assert found.standing == "invalid"
        assert set(found.problems) & {"timeStamp.mismatch", checking.NO_STAMP}


def test_an_expired_certificate_is_found_out_and_a_time_stamp_keeps_it_trusted(reader) -> None:
    with time_stamp_authority(root()) as authority:
        for lifetime_s in (4, 16, 64):  # the machine may be slow to sign
            soon = issue(root(), "Soon", lifetime_s / 86400)
            plain = signer(soon).sign(marked("jpeg"), "jpeg", ITEM)
            stamped = signer(soon, authority=authority.url).sign(marked("jpeg"), "jpeg", ITEM)
            if reader.check(plain).standing == "trusted":
                break
    wait_until(lambda: reader.check(plain).standing != "trusted")
    assert "signingCredential.expired" in reader.check(plain).problems
    assert reader.check(stamped).standing == "trusted"


def test_foreign_and_damaged_files_raise_nothing(reader) -> None:
    file = signer().sign(marked("jpeg"), "jpeg", ITEM)
    for data in (b"", b"text", b"\xff\xd8\xff", b"RIFF\0\0\0\0WAVE", file[:2000], file[:-3000]):
        assert reader.check(data).standing in {"not_present", "invalid"}
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(file)
        broken[int(random.integers(2, len(broken)))] ^= 0xFF
        assert reader.check(bytes(broken)).standing in {"not_present", "invalid", "trusted"}
