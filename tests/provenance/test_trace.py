from __future__ import annotations

import numpy as np
import pytest

from aigc.modalities.image import encode
from aigc.modalities.image.perceptual import hash_file
from aigc.provenance.checking import CredentialReader
from aigc.provenance.marker import Marker
from aigc.provenance.spec import Provenance
from aigc.provenance.statement import ItemFacts
from aigc.provenance.trace import Tracer
from tests.provenance.indexes import two_sets
from tests.provenance.signers import root_pem, signer
from tests.provenance.statements import STATEMENT, pixels
from tests.provenance.tampering import change_pixel, reencode

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
