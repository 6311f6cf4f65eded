"""POST /v1/verify and OpenAI's provenance checks: a real server, the real client, hostile files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from aigc.endpoint import verify
from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.errors import DamagedError
from aigc.modalities.image import encode
from aigc.service.keys import create
from aigc.types import Json
from tests.endpoint.conftest import Endpoint
from tests.provenance.indexes import two_sets
from tests.provenance.signers import root_pem, signer
from tests.provenance.statements import ITEM, pixels, sound
from tests.provenance.tampering import change_pixel, reencode

MOST = 2**20
PNG = {"content-type": "image/png"}


@dataclass
class Published:
    client: httpx.Client
    files: list[bytes]
    """PNG; the last one is signed."""

    def send(self, file: bytes, path: str = "/v1/verify", **options) -> httpx.Response:
        return self.client.post(path, files={"file": ("ad.png", file)}, **options)

    def told(self, file: bytes) -> Json:
        answer = self.send(file)
        assert answer.status_code == 200, answer.text
        return answer.json()


def settings_of(folder: Path, **options) -> EndpointSettings:
    root = folder / "root.pem"
    root.write_text(root_pem())
    values = {"trace_indexes": (str(folder / "index"),), "trust_roots": (str(root),)}
    return EndpointSettings(access_log=False, max_upload_bytes=MOST, **{**values, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verify")


@pytest.fixture(scope="module")
def files(folder: Path) -> list[bytes]:
    shown = pixels(5, 96, seed=4)
    found = encode(shown, "png")
    found[-1] = signer().sign(found[-1], "png", ITEM)
    two_sets(folder / "index", shown, pixels(3, 96, seed=5), found + [b"x"] * 3)
    return found


@pytest.fixture(scope="module")
def published(models: Endpoint, folder: Path, files: list[bytes]) -> Iterator[Published]:
    with models.running(endpoint=settings_of(folder)) as client:
        yield Published(client, files)


def test_a_file_is_traced(published: Published) -> None:
    found = published.told(published.files[2])
    assert found["object"] == "verification"
    assert found["sha256"] == hashlib.sha256(published.files[2]).hexdigest()
    assert (found["found"], found["file"]) == (True, "ad.png")
    first = found["evidence"][0]
    assert (first["kind"], first["certainty"], first["item"]) == ("sha256", "proof", "a-2")
    assert (first["set"], first["model"]) == ("/sets/a", "shoes@3")
    assert (first["data_digest"], first["created"]) == ("cd" * 32, "2026-11-29T08:00:00Z")


def test_a_reencoded_file_and_a_foreign_one(published: Published) -> None:
    again = published.told(reencode(published.files[1], 0.8))
    assert [(one["kind"], one["item"]) for one in again["evidence"]] == [("perceptual", "a-1")]
    assert 0 <= again["evidence"][0]["bits"] <= 40
    foreign = published.told(encode(pixels(1, 96, seed=77), "jpeg")[0])
    assert (foreign["found"], foreign["evidence"]) == (False, [])
    assert published.told(sound("WAV", "PCM_16"))["found"] is False


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", None])
def test_the_body_may_be_the_file(published: Published, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = published.client.post("/v1/verify", content=published.files[0], headers=headers)
    assert answer.status_code == 200
    assert answer.json()["evidence"][0]["item"] == "a-0"
    assert answer.headers["cache-control"] == "no-store"


def test_a_body_in_pieces_is_put_together(published: Published) -> None:
    file = published.files[0]
    pieces = (file[at : at + 1000] for at in range(0, len(file), 1000))
    answer = published.client.post("/v1/verify", content=pieces, headers=PNG)
    assert answer.json()["sha256"] == hashlib.sha256(file).hexdigest()


def error(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    said = answer.json()["error"]
    return answer.status_code, said["param"], said["code"]


def test_what_is_no_file_to_look_into_is_refused(published: Published) -> None:
    client = published.client
    assert error(published.send(b"")) == (400, "file", "empty_file")
    assert error(client.post("/v1/verify", headers=PNG)) == (400, "file", "empty_file")
    assert error(published.send(b"PK\x03\x04" + bytes(50))) == (400, "file", "unsupported_file")
    gif = client.post("/v1/verify", content=b"GIF89a", headers={"content-type": "image/gif"})
    assert error(gif) == (400, "file", "unsupported_file")
    text = client.post("/v1/verify", json={"file": "x"})
    assert error(text) == (415, None, "unsupported_media_type")
    packed = client.post("/v1/verify", content=b"x", headers=PNG | {"content-encoding": "gzip"})
    assert error(packed) == (415, None, "unsupported_media_type")
    assert client.get("/v1/verify").status_code == 405


def test_forms_hold_one_file_and_nothing_else(published: Published) -> None:
    client, file = published.client, published.files[0]
    two = client.post("/v1/verify", files=[("file", file), ("file", file)])
    assert error(two) == (400, "file", "invalid_file")
    other = client.post("/v1/verify", files={"image": file})
    assert error(other) == (400, "image", "unknown_parameter")
    more = client.post("/v1/verify", files={"file": file}, data={"model": "tiny"})
    assert error(more) == (400, "model", "unknown_parameter")
    none = client.post("/v1/verify", files={"a": ("", b"")}, data={"file": "x"})
    assert none.status_code == 400


@pytest.mark.parametrize("how", ["form", "body", "unannounced"])
def test_files_are_never_longer_than_agreed(published: Published, how: str) -> None:
    large = published.files[0] + bytes(MOST)
    pieces = (large[at : at + 4096] for at in range(0, len(large), 4096))
    if how == "form":
        answer = published.send(large)
    else:
        content = large if how == "body" else pieces
        answer = published.client.post("/v1/verify", content=content, headers=PNG)
    assert error(answer) == (413, None, "too_large")


def test_a_tampered_file_says_what_is_wrong(published: Published) -> None:
    import numpy as np

    found = published.told(change_pixel(published.files[-1], np.random.default_rng(1)))
    assert found["problems"] == ["assertion.dataHash.mismatch"]
    (check,) = found["content_provenance_checks"]
    assert (check["validation_state"], check["outcome"]) == ("invalid", "not_detected")


def test_the_openai_client_checks_provenance(published: Published) -> None:
    url = f"{published.client.base_url}/v1"
    with openai.OpenAI(api_key="unused", base_url=url, max_retries=0) as client:
        signed = client.content_provenance_checks.create(file=("ad.png", published.files[-1]))
        plain = client.content_provenance_checks.create(file=published.files[0])
        with pytest.raises(openai.BadRequestError, match="it is empty"):
            client.content_provenance_checks.create(file=("ad.png", b""))
    (found,) = signed.results
    assert signed.object == "content_provenance_check"
    assert found.type == "c2pa"
    assert (found.outcome, found.validation_state) == ("detected", "trusted")
    assert (found.model, found.generated_at) == ("shoes", "2026-11-29T08:00:00Z")
    (other,) = plain.results
    assert other.type == "c2pa"
    assert (other.outcome, other.validation_state) == ("not_detected", "not_present")


def test_the_async_client_checks_provenance(published: Published) -> None:
    async def check() -> str:
        url = f"{published.client.base_url}/v1"
        async with openai.AsyncOpenAI(api_key="unused", base_url=url) as client:
            found = await client.content_provenance_checks.create(file=published.files[-1])
        return found.results[0].outcome

    assert asyncio.run(check()) == "detected"


def test_keys_need_the_scope_and_pay_for_a_request(
    models: Endpoint, folder: Path, files: list[bytes], tmp_path: Path
) -> None:
    keys = str(tmp_path / "keys.jsonl")
    verifies, _ = create(keys, ["verify"], requests_per_minute=3, images_per_day=1)
    makes, _ = create(keys, ["generate"])
    with models.running(endpoint=settings_of(folder, keys=keys)) as client:
        mine, other = ({"authorization": f"Bearer {key}"} for key in (verifies, makes))
        for path in ("/v1/verify", "/v1/content_provenance_checks"):
            assert client.post(path, content=files[0], headers=PNG).status_code == 401
            refused = client.post(path, content=files[0], headers=PNG | other)
            assert refused.json()["error"]["code"] == "insufficient_scope"
        asked = {"model": "tiny", "prompt": "one"}
        assert client.post("/v1/images/generations", json=asked, headers=mine).status_code == 403
        answers = [client.post("/v1/verify", content=files[0], headers=PNG | mine) for _ in "1234"]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert error(answers[-1])[2] == "rate_limit_exceeded"


def test_more_files_than_places_are_refused_at_once(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_MOST_WAITING", -1)  # one place
    file = published.files[0] + bytes(2**19)

    def send(number: int) -> httpx.Response:
        url = f"{published.client.base_url}/v1/verify"
        return httpx.post(url, files={"file": file}, timeout=120)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(24)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 503}
    assert 200 in codes
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["code"] == "overloaded"
            assert answer.headers["retry-after"] == "1"
    assert published.told(published.files[0])["found"]


def test_without_an_index_files_are_read_all_the_same(client: httpx.Client) -> None:
    signed = signer().sign(encode(pixels(1, 64), "png")[0], "png", ITEM)
    found = client.post("/v1/verify", content=signed, headers=PNG).json()
    assert [one["certainty"] for one in found["evidence"]] == ["claim"]
    assert found["content_provenance_checks"][0]["validation_state"] == "valid"


def test_a_damaged_index_stops_the_start(
    models: Endpoint, folder: Path, files: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "index.json").write_text((folder / "index/index.json").read_text())
    with pytest.raises(DamagedError, match="make it again"):
        create_app(models.service(), settings_of(tmp_path))
