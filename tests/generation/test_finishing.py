from __future__ import annotations

import os

import pytest

from aigc.errors import CredentialsError, SpecError
from aigc.generation import finishing
from aigc.modalities import MODALITIES, ItemType
from aigc.provenance import reading
from aigc.provenance.marker import Marker
from aigc.provenance.overlay import overlay_of
from aigc.provenance.spec import Credentials, Provenance
from aigc.provenance.statement import ItemFacts
from aigc.provenance.unsigned import unsigned
from tests.job.test_plan import make_job
from tests.provenance.signers import environment
from tests.provenance.statements import picture, sound

PICTURES, SOUNDS = MODALITIES["image"].delivery, MODALITIES["audio"].delivery
SIGNED = Provenance(profile="eu", credentials=Credentials())
ITEM = ItemFacts("abc-1", "a prompt")


def form_of(modality: str, codec: str, **asked):
    delivery = MODALITIES[modality].delivery
    item = (
        ItemType((64, 64, 3), "uint8") if modality == "image" else ItemType((8, 1), "int16", 8000)
    )
    form = delivery.form_of(item, {"codec": codec} | asked)
    return delivery, form, [delivery.format_of(form)]


def test_an_item_is_marked_as_its_modality_does() -> None:
    finisher = finishing.of_job(make_job(), {})
    (file,) = finisher.finish([picture("png")], ["png"], [ITEM]).files
    found = reading.read(file)
    assert found.item_id == "abc-1"
    assert found.properties["Iptc4xmpExt:AISystemUsed"] == "tiny"
    assert found.properties["Iptc4xmpExt:AISystemVersionUsed"] == "v1"
    assert found.properties["aigc:ModelDigest"] == "d" * 64
    marker = Marker(Provenance(), finishing.statement_of(Provenance(), "tiny@v1", "d" * 64, ""))
    (file,) = finishing.Finisher(SOUNDS, marker).mark([sound("WAV", "PCM_16")], ["wav"], [ITEM])
    assert reading.read(file).item_id == "abc-1"


def test_raw_values_have_no_place_for_marks() -> None:
    assert finishing.of_job(make_job(), {}).mark([b"values"], ["raw"], [ITEM]) == [b"values"]


def test_what_the_profile_does_not_state_is_not_signed_either() -> None:
    from aigc.provenance.checking import CredentialReader

    job = make_job(provenance=SIGNED, created="2026-11-29T08:00:00Z", data_digest="e" * 64)
    finisher = finishing.of_job(job, environment())
    (file,) = finisher.finish([picture("png")], ["png"], [ITEM]).files
    origin = CredentialReader().check(file).origin
    assert origin["item"] == "abc-1"
    assert origin["created"] == "2026-11-29T08:00:00Z"
    assert origin["training_data_digest"] == "e" * 64
    assert "prompt" not in origin
    assert "xmp:CreateDate" not in reading.read(file).properties
    plain = finishing.of_job(job, {}, signs=False)
    assert not plain.signs
    assert plain.finish([picture("png")], ["png"], [ITEM]).files == [unsigned(file)]


def test_a_job_of_0_1_0_goes_on_as_it_began() -> None:
    old = make_job(embed_provenance=True)
    (file,) = finishing.of_job(old, {}).mark([picture("png")], ["png"], [ITEM])
    assert set(reading.read(file).properties) == {"Iptc4xmpExt:DigitalSourceType"}
    bare = make_job(embed_provenance=False)
    assert finishing.of_job(bare, {}).mark([picture("png")], ["png"], [ITEM]) == [picture("png")]


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(CredentialsError, match=r"credentials\.certificate is missing"):
        finishing.of_job(make_job(provenance=SIGNED), {})


def test_a_job_names_neither_certificate_nor_key() -> None:
    asked = Credentials(certificate="/c.pem", key="/k.pem", authority="http://a/")
    kept = finishing.without_secrets(Provenance(profile="eu", credentials=asked)).credentials
    assert kept == Credentials(authority="http://a/")


@pytest.mark.parametrize(
    ("modality", "codec", "provenance", "message"),
    [
        ("image", "raw", {"profile": "eu"}, "codec raw has no place for metadata; use png, jpeg"),
        ("image", "raw", {"credentials": {}}, "codec raw has no place for them; use png, jpeg"),
        ("audio", "ogg", {"credentials": {}}, "codec ogg has no place for them; use wav, flac"),
        ("audio", "wav", {"visible": True}, r"provenance\.visible: only images can have it"),
        ("audio", "wav", {"watermark": "spread"}, r"provenance\.watermark: only images can"),
        ("image", "png", {"visible": {"text": "AI " * 13}}, "takes .* pixels"),
        ("image", "png", {"visible": {"text": "\u0e01"}}, "does not have"),
    ],
)
def test_what_cannot_be_marked_or_signed(modality, codec, provenance, message) -> None:
    asked = Provenance.model_validate(provenance)
    with pytest.raises(SpecError, match=message):
        finishing.require_possible(asked, overlay_of(asked, os.environ), *form_of(modality, codec))


@pytest.mark.parametrize(
    ("modality", "codec", "provenance"),
    [
        ("image", "raw", {}),
        ("image", "raw", {"profile": "none", "reason": "tests"}),
        ("image", "webp", {"profile": "china", "provider": "a", "credentials": {}}),
        ("audio", "flac", {"profile": "china", "provider": "a", "credentials": {}}),
        ("audio", "ogg", {"profile": "eu"}),
    ],
)
def test_what_can_be(modality, codec, provenance) -> None:
    asked = Provenance.model_validate(provenance)
    finishing.require_possible(asked, overlay_of(asked, os.environ), *form_of(modality, codec))
