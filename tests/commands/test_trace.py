"""`aigc index` and `aigc trace`: what a user types to learn where a picture comes from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aigc.modalities.image import encode
from aigc.output import commit
from aigc.provenance.chains import write_test_chain
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.keys import VARIABLE
from aigc.provenance.watermark.payload import payload_of
from aigc.sets import read
from tests.commands.conftest import Aigc
from tests.provenance.signers import marked, root_pem, signer
from tests.provenance.statements import ITEM, picture
from tests.provenance.watermark.shown import KEY, smooth
from tests.sets.conftest import SetMaker


@pytest.fixture(scope="module")
def sets() -> SetMaker:
    return SetMaker()


def test_an_item_of_a_set_is_traced(aigc: Aigc, sets: SetMaker) -> None:
    job = sets.finished("set")
    assert aigc("index", "set", "--to", "published").code == 0
    part = next(read.rows("set", job, commit.read_records("set")[0]))
    Path("ad.png").write_bytes(part.files[5])
    Path("other.png").write_bytes(picture("png", seed=42))
    shown = aigc("trace", "ad.png", "--index", "published")
    assert shown.code == 0
    assert shown.out.startswith("ad.png: found (proof)")
    assert f"proof   sha256     {part.ids[5]} in set, by" in shown.out
    both = aigc("trace", "ad.png", "other.png", "--index", "published", "--json")
    assert both.code == 1, "one is unknown"
    known, unknown = json.loads(both.out)
    assert known["evidence"][0]["item"] == part.ids[5]
    assert (unknown["found"], unknown["evidence"]) == (False, [])


def test_a_signed_file_needs_no_index(aigc: Aigc) -> None:
    Path("signed.jpg").write_bytes(signer().sign(marked("jpeg"), "jpeg", ITEM))
    Path("root.pem").write_text(root_pem())
    shown = aigc("trace", "signed.jpg", "--root", "root.pem")
    assert shown.code == 0
    assert "found (proof); credential trusted" in shown.out
    assert ITEM.id in shown.out
    untrusted = aigc("trace", "signed.jpg")
    assert untrusted.code == 1
    assert "its metadata says AI-generated; credential valid, by a signer that" in untrusted.out


def test_a_watermark_names_an_item_after_its_picture_was_changed(
    aigc: Aigc, sets: SetMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = sets.finished("marked")
    assert aigc("index", "marked", "--to", "known").code == 0
    part = next(read.rows("marked", job, commit.read_records("marked")[0]))
    mark = open_watermark("spread", KEY)
    payload = payload_of(part.ids[3], mark.payload_bits)
    shown = mark.embed(smooth()[None], [payload])[:, 12:, ::-1]
    Path("cut.jpg").write_bytes(encode(np.ascontiguousarray(shown), "jpeg", 80)[0])
    unknown = aigc("trace", "cut.jpg", "--index", "known")
    assert unknown.code == 1, "the public key does not find it"
    monkeypatch.setenv(VARIABLE, KEY.hex())
    found = aigc("trace", "cut.jpg", "--index", "known")
    assert found.code == 0
    assert f"strong  watermark  {part.ids[3]} in marked, by" in found.out
    assert ", p = " in found.out
    nothing = aigc("trace", "cut.jpg", "--watermark", "no_such")
    assert nothing.code == 2
    assert "no_such: not on this machine's list" in nothing.err


def test_roots_that_are_no_certificates_and_files_of_other_kinds(aigc: Aigc) -> None:
    Path("signed.jpg").write_bytes(signer().sign(marked("jpeg"), "jpeg", ITEM))
    damaged = root_pem().replace("MII", "AAA")
    _, key, _ = write_test_chain(Path("signing"), "Acme", 1)
    for text in ("plain text", damaged, key.read_text()):
        Path("root.pem").write_text(text)
        refused = aigc("trace", "signed.jpg", "--root", "root.pem")
        assert (refused.code, refused.err) == (
            2,
            "aigc: root = root.pem: no PEM certificate in it\n",
        )
    Path("notes.txt").write_text("words")
    other = aigc("trace", "notes.txt")
    assert other.code == 1
    assert "note    not a PNG, JPEG, WebP, WAV, FLAC, Ogg, MP3 or MP4 file" in other.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trace", "no.png"), "no.png: No such file or directory"),
        (("trace", "no.png", "--index", "nowhere"), "nowhere: not a folder made by `aigc index`"),
        (("index", "nowhere", "--to", "new"), "nowhere"),
    ],
)
def test_what_is_missing_is_named_in_one_line(aigc: Aigc, arguments, said) -> None:
    found = aigc(*arguments)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1
