"""Files of anybody: what is looked into, what is refused, and indexes that are not whole."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from aigc.errors import AigcError, CredentialsError, DamagedError, SpecError, StorageError
from aigc.modalities.image import encode
from aigc.provenance.watermark import DEFAULT, open_watermark
from aigc.provenance.watermark.keys import PUBLIC
from aigc.provenance.watermark.payload import payload_of
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.service.verification import Verifier
from tests.provenance.indexes import two_sets
from tests.provenance.signers import root_pem, signer
from tests.provenance.statements import ITEM, pixels, sound
from tests.provenance.tampering import reencode
from tests.provenance.watermark.shown import smooth

COUNT = 9


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """An index and the files of the nine items `a-0` … in it."""
    shown = pixels(COUNT, 96, seed=4)
    files = encode(shown, "png")
    folder = tmp_path_factory.mktemp("verification") / "index"
    two_sets(folder, shown, pixels(3, 96, seed=5), files + [b"x"] * 3)
    return folder, files


@pytest.fixture(scope="module")
def verifier(published: tuple[Path, list[bytes]]) -> Verifier:
    return Verifier([str(published[0])])


def test_an_item_is_known_as_it_was_and_reencoded(verifier: Verifier, published) -> None:
    assert verifier.items == COUNT + 3
    for at, file in enumerate(published[1]):
        found = verifier(file, "ad.png")
        assert (found.file, found.evidence[0].item) == ("ad.png", f"a-{at}")
        assert found.evidence[0].certainty == "proof"
        again = verifier(reencode(file, 0.7))
        assert [(one.kind, one.item) for one in again.evidence] == [("perceptual", f"a-{at}")]
        assert again.notes == ()


def test_sounds_are_looked_into_without_looks(verifier: Verifier) -> None:
    for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        found = verifier(sound(container, subtype))
        assert (found.is_found, found.evidence, found.notes) == (False, (), ())


@pytest.mark.parametrize(
    "file",
    [
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(99),
        b"GIF89a" + bytes(20),
        b"BM" + bytes(60),
        b"II*\0" + bytes(60),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\x89PN",
        b"x",
    ],
)
def test_other_kinds_of_files_are_not_read(verifier: Verifier, file: bytes) -> None:
    with pytest.raises(BadRequestError, match="file: not a PNG, JPEG, WebP") as refused:
        verifier(file)
    assert (refused.value.param, refused.value.code) == ("file", "unsupported_file")


def test_an_empty_file_is_refused(verifier: Verifier) -> None:
    with pytest.raises(BadRequestError, match="it is empty") as refused:
        verifier(b"")
    assert refused.value.code == "empty_file"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *extra: bytes) -> bytes:
    """Without enough of a picture for its size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(3 * 64 + 1)))
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *extra, body, chunk(b"IEND", b"")))


def bombs() -> dict[str, bytes]:
    """Small files that ask for much memory."""
    blank, large, thin, tall = (io.BytesIO() for _ in range(4))
    Image.new("L", (40_000_000, 1)).save(thin, "PNG")
    Image.new("L", (1, 30_000_000)).save(tall, "PNG")
    Image.new("L", (9000, 9000)).save(blank, "JPEG", quality=10)
    Image.new("L", (12_000, 6_000)).save(large, "PNG")
    zeros = zlib.compress(bytes(2**27), 9)
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zeros
    return {
        "many pixels in PNG": large.getvalue(),
        "a row of 40 million pixels": thin.getvalue(),
        "a column of 30 million pixels": tall.getvalue(),
        "many pixels in JPEG": blank.getvalue(),
        "a header of a terapixel": png(2**20, 2**20),
        "compressed XMP": png(64, 64, chunk(b"iTXt", text)),
        "compressed text": png(64, 64, chunk(b"zTXt", b"a\0\0" + zeros)),
        "a compressed profile": png(64, 64, chunk(b"iCCP", b"a\0\0" + zeros)),
    }


def test_bombs_are_answered_with_a_note(verifier: Verifier) -> None:
    for kind, file in bombs().items():
        assert len(file) < 2**20, kind
        found = verifier(file)
        assert not found.evidence, kind
        (said,) = found.notes
        assert said.startswith("the image cannot be looked at: "), kind


def test_cut_files_are_answered_at_every_length(published) -> None:
    folder, files = published
    reader = Verifier([str(folder)], [])
    wav = sound("WAV", "PCM_16")
    signed = signer().sign(files[0], "png", ITEM)
    for whole in (files[0], encode(pixels(1, 96), "jpeg")[0], signed, wav):
        for end in sorted({*range(12, 200, 7), *range(200, len(whole), len(whole) // 23)}):
            found = reader(whole[:end])
            assert not found.is_found, end


def test_lengths_that_lie_are_no_loop(verifier: Verifier) -> None:
    tags = b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"TXXX\0\0\0\0\0\0" * 1000
    waves = b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\0\0\0\0" * 1000
    blocks = b"fLaC" + b"\x04\x00\x00\x00" * 1000
    for file in (tags, waves, blocks, b"OggS" + b"\xff" * 5000, b"\0\0\0\0ftyp" + bytes(99)):
        assert not verifier(file).evidence


def test_several_threads_check_at_a_time(published, tmp_path: Path) -> None:
    folder, files = published
    root = tmp_path / "root.pem"
    root.write_text(root_pem())
    reader = Verifier([str(folder)], [str(root)])
    signed = [signer().sign(file, "png", ITEM) for file in files]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader, signed * 6))
    assert {one.c2pa for one in found} == {"trusted"}


def test_a_watermark_is_found_where_nothing_else_is(tmp_path: Path) -> None:
    mark = open_watermark(DEFAULT, PUBLIC)
    shown = smooth(192, seed=3)[None]
    marked = mark.embed(shown, [payload_of("a-0", mark.payload_bits)])
    file = encode(marked, "png")[0]
    two_sets(tmp_path / "index", marked, pixels(1, 96, seed=5), [file, b"x"])
    part = encode(marked[:, 10:, 8:180], "png")[0]
    found = Verifier([str(tmp_path / "index")])(part)
    assert [(one.kind, one.item) for one in found.evidence] == [("watermark", "a-0")]


def test_a_signature_is_checked_against_the_roots(published, tmp_path: Path) -> None:
    folder, files = published
    root = tmp_path / "root.pem"
    root.write_text(root_pem())
    signed = signer().sign(files[1], "png", ITEM)
    found = Verifier([str(folder)], [str(root)])(signed)
    assert (found.c2pa, found.evidence[0].kind) == ("trusted", "signature")
    (result,) = found.results()
    assert (result["outcome"], result["model"]) == ("detected", "shoes")
    (unknown,) = Verifier([str(folder)])(signed).results()
    assert (unknown["outcome"], unknown["validation_state"]) == ("not_detected", "valid")


def test_roots_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(CredentialsError, match=r"trust_roots = .*key.pem: no PEM certificate"):
        Verifier(roots=[str(tmp_path / "key.pem")])
    with pytest.raises(StorageError, match=r"gone.pem"):
        Verifier(roots=[str(tmp_path / "gone.pem")])


def test_indexes_on_s3_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"trace_indexes = s3://b/i: an index is mapped"):
        Verifier(["s3://b/i"])
    with pytest.raises(StorageError, match=r"not a folder made by .aigc index"):
        Verifier([str(tmp_path)])


@pytest.mark.parametrize(
    "name",
    [
        *("ids", "id_ends", "id_keys", "id_rows", "sha256", "sha_rows"),
        *("hashes", "colours", "band_starts", "band_rows"),
    ],
)
@pytest.mark.parametrize("how", ["cut", "gone", "longer"])
def test_an_index_that_is_not_whole_is_refused(published, tmp_path, name: str, how: str) -> None:
    copy = tmp_path / "index"
    shutil.copytree(published[0], copy)
    file = copy / f"{name}.bin"
    data = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(data + bytes(32 * 16) if how == "longer" else data[: len(data) // 2])
    with pytest.raises(DamagedError, match=f"{copy}: .*make it again$") as refused:
        Verifier([str(copy)])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("head", ['{"format": 1}', '{"format": 1, "items": 12, "sets": [{}]}', ""])
def test_an_index_whose_head_is_damaged_is_refused(published, tmp_path, head: str) -> None:
    copy = tmp_path / "index"
    shutil.copytree(published[0], copy)
    (copy / "index.json").write_text(head)
    with pytest.raises(AigcError, match=str(copy)):
        Verifier([str(copy)])


def test_an_index_with_fewer_sets_than_items_is_refused(published, tmp_path) -> None:
    copy = tmp_path / "index"
    shutil.copytree(published[0], copy)
    head = json.loads((copy / "index.json").read_text())
    (copy / "index.json").write_text(json.dumps(head | {"sets": head["sets"][:1]}))
    with pytest.raises(DamagedError, match=r"do not fit index\.json"):
        Verifier([str(copy)])


def test_without_the_packages_credentials_are_not_checked(monkeypatch) -> None:
    from aigc.service import verification

    monkeypatch.setattr(verification, "is_installed", lambda module: False)
    plain = Verifier()
    assert plain(encode(pixels(1, 64), "png")[0]).c2pa is None
    with pytest.raises(NotFoundError, match=r"aigc\[credentials\]"):
        plain.require_credentials()
