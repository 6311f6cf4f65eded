from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.modalities.image import encode
from aigc.modalities.image.marks import finder
from aigc.modalities.image.perceptual import hash_file
from aigc.modalities.picture_formats import WRITTEN
from aigc.provenance.checking import CredentialReader
from aigc.provenance.marker import Marker
from aigc.provenance.spec import Provenance
from aigc.provenance.statement import ItemFacts
from aigc.provenance.trace import Tracer
from aigc.provenance.watermark import Detection, open_watermark
from aigc.provenance.watermark.payload import payload_of
from tests.provenance.indexes import two_sets
from tests.provenance.signers import root_pem, signer
from tests.provenance.statements import STATEMENT, pixels
from tests.provenance.tampering import change_pixel, reencode
from tests.provenance.watermark.shown import KEY, smooth

COUNT = 12


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Signed items `a-…` in an index, and a tracer that trusts their signer."""
    shown = pixels(COUNT, 96, seed=4)
    marker, signs = Marker(Provenance(), STATEMENT), signer()
    items = [ItemFacts(f"a-{at}") for at in range(COUNT)]
    marked = list(map(marker.picture, encode(shown, "png"), items))
    files = [signs.sign(one, "png", item) for one, item in zip(marked, items, strict=True)]
    folder = tmp_path_factory.mktemp("trace") / "new"
    index = two_sets(folder, shown, pixels(3, 96, seed=5), files + [b"x"] * 3)
    return files, Tracer([index], CredentialReader([root_pem()]), hash_file)


def test_the_very_file_has_every_kind_of_evidence(published) -> None:
    files, tracer = published
    for at, file in enumerate(files):
        found = tracer.trace(file, "ad.png")
        assert found.is_found
        assert found.c2pa == "trusted"
        assert {one.item for one in found.evidence} == {f"a-{at}"}
        kinds = {one.kind: one.certainty for one in found.evidence}
        assert kinds == {
            "signature": "proof",
            "sha256": "proof",
            "perceptual": "strong",
            "metadata": "claim",
        }
        assert {one.set for one in found.evidence} == {"/sets/a"}
        assert found.evidence[0].certainty == "proof"


def test_a_stripped_and_reencoded_file_is_found_by_its_looks(published) -> None:
    files, tracer = published
    for at, file in enumerate(files):
        found = tracer.trace(reencode(file, 0.6))
        (one,) = found.evidence
        assert (one.kind, one.item, one.model) == ("perceptual", f"a-{at}", "shoes@3")
        assert one.certainty in {"strong", "likely"}
        assert one.data_digest == "cd" * 32
        assert found.c2pa == "not_present"


def test_a_tampered_file_loses_its_proof_and_says_why(published) -> None:
    files, tracer = published
    found = tracer.trace(change_pixel(files[0], np.random.default_rng(3)))
    assert found.c2pa == "invalid"
    assert found.problems == ("assertion.dataHash.mismatch",)
    assert "proof" not in {one.certainty for one in found.evidence}


def test_metadata_alone_is_a_claim_and_does_not_count_as_found(published) -> None:
    _, tracer = published
    foreign = encode(pixels(1, 96, seed=99), "png")[0]
    sly = Marker(Provenance(), STATEMENT).picture(foreign, ItemFacts("a-3"))
    found = tracer.trace(sly)
    assert not found.is_found
    assert [(one.kind, one.certainty) for one in found.evidence] == [("metadata", "claim")]
    assert found.source_type == STATEMENT.source_type
    assert tracer.trace(foreign).evidence == ()


def test_a_signature_without_an_index_names_model_and_data(published) -> None:
    files, _ = published
    (signed, stated) = Tracer([], CredentialReader([root_pem()])).trace(files[2]).evidence
    assert (signed.kind, signed.certainty, signed.item) == ("signature", "proof", "a-2")
    assert (signed.model, signed.data_digest) == ("shoes", "cd" * 32)
    assert stated.kind == "metadata"
    unknown = Tracer([], CredentialReader()).trace(files[2])
    assert unknown.c2pa == "valid"
    assert unknown.evidence[0].certainty == "claim", "anybody can sign"


def test_json_has_the_shape_of_provenance_checks(published) -> None:
    files, tracer = published
    found = tracer.trace(files[0], "ad.png").to_json()
    (check,) = found["content_provenance_checks"]
    assert (check["type"], check["outcome"]) == ("c2pa", "detected")
    assert (check["validation_state"], check["model"]) == ("trusted", "shoes@3")
    assert found["evidence"][0]["item"] == "a-0"
    assert found["found"] is True


@pytest.mark.parametrize("file", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_files_of_no_kind_are_unknown(published, file) -> None:
    _, tracer = published
    assert tracer.trace(file).evidence == ()


def test_a_flat_picture_says_why_it_is_unknown(published) -> None:
    _, tracer = published
    found = tracer.trace(encode(np.zeros((1, 64, 64, 3), np.uint8), "png")[0])
    assert found.notes == ("the picture shows too little to be found by its looks",)


@pytest.fixture(scope="module")
def watermarked(tmp_path_factory):
    """Files of items `a-0` and `a-1` with their watermarks, and a tracer that has the key."""
    mark = open_watermark("spread", KEY)
    shown = np.stack([smooth(192, seed=at) for at in (1, 2)])
    shown = mark.embed(shown, [payload_of(f"a-{at}", mark.payload_bits) for at in range(2)])
    files = encode(shown, "png")
    folder = tmp_path_factory.mktemp("marked") / "new"
    index = two_sets(folder, shown, pixels(1, 192, seed=5), [*files, b"x"])
    return files, Tracer([index], None, hash_file, finder([mark])), mark


def test_a_cropped_picture_is_found_by_its_watermark_alone(watermarked) -> None:
    files, tracer, _ = watermarked
    for at, file in enumerate(files):
        with Image.open(io.BytesIO(file), formats=WRITTEN) as image:
            part = np.asarray(image)[10:, 8:180][:, ::-1]
        found = tracer.trace(reencode(encode(part[None], "png")[0]))
        assert found.is_found
        (one,) = found.evidence
        assert (one.kind, one.certainty, one.item) == ("watermark", "strong", f"a-{at}")
        assert (one.method, one.set, one.model) == ("spread", "/sets/a", "shoes@3")
        assert one.p_value is not None
        assert 0 <= one.p_value < 1e-6
        assert found.to_json()["evidence"][0]["p_value"] == one.p_value


def test_a_watermark_of_an_unknown_item_is_noted_and_does_not_count(watermarked) -> None:
    _, tracer, mark = watermarked
    shown = mark.embed(smooth(192, seed=7)[None], [payload_of("c-0", mark.payload_bits)])
    found = tracer.trace(encode(shown, "png")[0])
    assert not found.is_found
    (note,) = found.notes
    assert note.startswith(f"spread watermark {payload_of('c-0', 40).hex()}, p = ")
    assert note.endswith("of an item that no index knows")


@pytest.mark.parametrize(
    ("p_value", "certainty"), [(1e-7, "strong"), (1e-5, "likely"), (1e-3, None)]
)
def test_how_sure_a_watermark_is_follows_from_its_p_value(watermarked, p_value, certainty) -> None:
    files, tracer, _ = watermarked
    weak = Detection(payload_of("a-1", 40), 5.0, p_value, "spread")
    asked = Tracer(tracer._indexes, find_marks=lambda file: [weak])
    kinds = {one.kind: one.certainty for one in asked.trace(files[0]).evidence}
    assert kinds.get("watermark") == certainty
