"""Signed files as two independent readers judge them. docs/provenance.md has larger counts."""

from __future__ import annotations

import concurrent.futures

import pytest

from aigc.errors import CredentialsError
from aigc.provenance import reading, signing
from aigc.provenance.authority import ClockSkewError
from aigc.provenance.chains import issue, make_root
from aigc.provenance.checking import CredentialReader
from aigc.provenance.claims import SoftBinding
from aigc.provenance.signing import FileSigner
from aigc.provenance.spec import Credentials
from aigc.provenance.statement import ItemFacts
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, marked, root, root_pem, second_reader, signer
from tests.provenance.statements import ITEM, PICTURES, STATEMENT, exiftool, sound

pytest.importorskip("encypher_c2pa")


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_both_readers_trust_a_signed_picture(codec, quality, tmp_path) -> None:
    unsigned = marked(codec, quality)
    file = signer().sign(unsigned, codec, ITEM, SoftBinding("com.example.mark", "0f"))
    found = CredentialReader([root_pem()]).check(file)
    assert (found.standing, found.problems) == ("trusted", ())
    assert found.origin["item"] == ITEM.id
    assert found.soft_bindings == ("com.example.mark",)
    assert found.issuer == "Test"
    assert CredentialReader().check(file).standing == "valid"
    assert CredentialReader([root_pem()]).check(unsigned).standing == "not_present"
    second = second_reader(file)
    assert (second["validation_state"], second["integrity"]) == ("Trusted", "valid")
    assert reading.read(file) == reading.read(unsigned), "metadata stays"
    tags = exiftool(tmp_path, f"a.{codec}", file)
    assert tags["XMP-iptcExt:DigitalSourceType"] == STATEMENT.source_type


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")]
)
def test_sounds_are_signed_where_the_library_can(container, subtype) -> None:
    file = signer().sign(sound(container, subtype), container.lower(), ITEM)
    assert CredentialReader([root_pem()]).check(file).standing == "trusted"


def test_a_time_stamp_is_asked_for_each_file_and_read_by_both() -> None:
    with time_stamp_authority(root()) as authority:
        signs = signer(authority=authority.url)
        files = [signs.sign(marked("jpeg", seed=n), "jpeg", ITEM) for n in range(3)]
        assert authority.requests == 1 + len(files), "one before the first item"
    for file in files:
        found = CredentialReader([root_pem()]).check(file)
        assert (found.standing, found.is_time_stamped) == ("trusted", True)
        assert found.signed_at is not None
        codes = [one["code"] for one in second_reader(file)["validation_results"]["success"]]
        assert "timeStamp.trusted" in codes


def test_an_outage_stops_the_job_with_one_line(monkeypatch) -> None:
    monkeypatch.setattr(signing, "_PAUSE_S", 0.01)
    with time_stamp_authority(root()) as authority:
        signs = signer(authority=authority.url)
        authority.is_up = False
        with pytest.raises(CredentialsError, match="did not answer 3 times") as caught:
            signs.sign(marked("jpeg"), "jpeg", ITEM)
        assert "\n" not in str(caught.value)
        assert authority.requests == 1 + 3
        authority.is_up = True
        file = signs.sign(marked("jpeg"), "jpeg", ITEM)
    assert CredentialReader([root_pem()]).check(file).is_time_stamped


def test_an_outage_may_be_passed_over_and_the_manifest_says_so(monkeypatch) -> None:
    monkeypatch.setattr(signing, "_PAUSE_S", 0.01)
    heard: list[str] = []
    with time_stamp_authority(root()) as authority:
        asked = Credentials(authority=authority.url, on_outage="unstamped")
        signs = FileSigner(asked, STATEMENT, environment(), heard.append)
        authority.is_up = False
        lacking: list[str] = []
        files = [
            signs.sign(marked("jpeg"), "jpeg", ItemFacts(name), on_unstamped=lacking.append)
            for name in ("a", "b", "c")
        ]
        assert authority.requests == 1 + 3, "the second and third file do not wait for it"
        authority.is_up = True
        signs._silent_until = 0.0
        files.append(signs.sign(marked("jpeg"), "jpeg", ITEM, on_unstamped=lacking.append))
    found = [CredentialReader([root_pem()]).check(file) for file in files]
    assert [one.standing for one in found] == ["trusted"] * 4
    assert [one.is_time_stamped for one in found] == [False, False, False, True]
    assert {one.origin["time_stamp"] for one in found[:3]} == {"authority did not answer"}
    assert len(heard) == 1
    assert lacking == ["a", "b", "c"]


def test_an_authority_that_is_down_at_the_start_stops_or_is_said() -> None:
    with pytest.raises(CredentialsError, match="does not answer"):
        signer(authority="http://127.0.0.1:9/")
    heard: list[str] = []
    asked = Credentials(authority="http://127.0.0.1:9/", on_outage="unstamped")
    FileSigner(asked, STATEMENT, environment(), heard.append)
    assert "going on without time stamps" in heard[0]


def test_clocks_that_differ_stop_a_job_in_any_case(monkeypatch) -> None:
    monkeypatch.setattr("aigc.provenance.authority.MOST_SKEW_S", -1)
    with time_stamp_authority(root()) as authority, pytest.raises(ClockSkewError):
        signer(authority=authority.url, on_outage="unstamped")


def test_a_certificate_that_is_not_for_signing_is_refused_at_the_start() -> None:
    with pytest.raises(CredentialsError) as caught:
        FileSigner(Credentials(), STATEMENT, environment(root()))
    assert "\n" not in str(caught.value)


def test_threads_share_one_signer() -> None:
    signs = signer()
    files = [marked("png", seed=n) for n in range(24)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        items = [ItemFacts(f"item-{n}") for n in range(24)]
        signed = list(pool.map(signs.sign, files, ["png"] * 24, items))
    found = [CredentialReader([root_pem()]).check(file) for file in signed]
    assert [one.standing for one in found] == ["trusted"] * 24
    assert [one.origin["item"] for one in found] == [item.id for item in items]


def test_another_certificate_is_valid_but_not_trusted() -> None:
    other = make_root("Other")
    chain = issue(other, "Other", 3)
    held = {
        "AIGC_SIGNING_CERTIFICATE": (chain.certificate_pem + other.certificate_pem).decode(),
        "AIGC_SIGNING_KEY": chain.key_pem.decode(),
    }
    file = FileSigner(Credentials(), STATEMENT, held).sign(marked("png"), "png", ITEM)
    assert CredentialReader([root_pem()]).check(file).standing == "valid"
