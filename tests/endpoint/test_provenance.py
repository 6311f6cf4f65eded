"""Files of the endpoint are marked and signed as those of a set."""

from __future__ import annotations

import base64
import functools
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aigc.errors import CredentialsError, SpecError, StoreError
from aigc.modalities.image import decode
from aigc.provenance import reading
from aigc.provenance.checking import CredentialReader
from aigc.provenance.spec import Provenance
from aigc.provenance.unsigned import unsigned
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.payload import payload_of
from aigc.service.origin import require_signer
from aigc.store import ModelStore
from tests.endpoint.conftest import Endpoint
from tests.models_for_tests import tiny_config, tiny_tensors
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, root, root_pem
from tests.sets.conftest import SetMaker

ITEM = "/v1/images/tiny@v1/two/7/3"
SIGNED = {"profile": "eu", "provider": "ACME-1", "credentials": {}}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Endpoint:
    return Endpoint(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name, text in environment().items():
        monkeypatch.setenv(name, text)


def asked(**values: object) -> Provenance:
    return Provenance.model_validate(SIGNED | values)


@pytest.mark.parametrize("ends", [".png", ".jpg", ".webp"])
def test_a_signed_item_is_trusted_and_permanent(models: Endpoint, ends: str) -> None:
    with models.running(models=("tiny",), provenance=asked()) as client:
        first, second = (client.get(ITEM + ends) for _ in range(2))
        found = CredentialReader([root_pem()]).check(first.content)
        assert (found.standing, found.origin["provider"]) == ("trusted", "ACME-1")
        assert found.origin["created"].endswith("Z")
        assert first.content != second.content
        assert unsigned(first.content) == unsigned(second.content)
        assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
        tag = first.headers["etag"]
        assert tag == second.headers["etag"]
        assert tag.startswith('W/"'), "the bytes differ each time"
        for known in (tag, tag.removeprefix("W/")):
            assert client.get(ITEM + ends, headers={"if-none-match": known}).status_code == 304


def test_it_has_the_bytes_of_the_set_before_signing(tmp_path: Path) -> None:
    sets = SetMaker()
    sets.finished(str(tmp_path), count=16, provenance=SIGNED)
    rows = pq.read_table(tmp_path / "data").select(["id", "image", "label_name"]).to_pylist()
    models = Endpoint.__new__(Endpoint)
    models.store = ModelStore()
    passes = functools.partial(models.running, precision="fp32", micro_batch=8)
    with passes(models=(sets.version.ref,), provenance=asked()) as client:
        for at, row in enumerate(rows):
            path = f"/v1/images/{sets.version.ref}/{row['label_name']}/7/{at}.png"
            file = client.get(path).content
            assert unsigned(file) == unsigned(row["image"]["bytes"])
            assert reading.read(file).item_id == row["id"]


def test_every_call_signs_and_each_image_has_an_id(models: Endpoint) -> None:
    with models.running(models=("vae",), provenance=asked()) as client:
        body = {"model": "vae", "n": 3, "seed": 1}
        files = _files(client.post("/v1/images/generations", json=body))
        walk = {"model": "vae", "steps": 4}
        walk |= {"from": {"label": "zero", "seed": 5}, "to": {"label": "one", "seed": 6}}
        files += _files(client.post("/v1/latents/walk", json=walk))
        origins = [CredentialReader([root_pem()]).check(file) for file in files]
        assert {one.standing for one in origins} == {"trusted"}
        assert len({one.origin["item"] for one in origins}) == len(files) == 7


def _files(answer) -> list[bytes]:
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(one["b64_json"]) for one in answer.json()["data"]]


def test_without_a_signature_bytes_and_tag_are_the_same_each_time(models: Endpoint) -> None:
    with models.running(models=("tiny",), provenance=asked(credentials=None)) as client:
        first, second = (client.get(f"{ITEM}.png") for _ in range(2))
        assert first.content == second.content
        assert first.headers["etag"].startswith('"')


def test_california_states_the_time_of_the_request(models: Endpoint) -> None:
    found = Provenance(profile="california", provider="Acme")
    with models.running(models=("tiny",), provenance=found) as client:
        answer = client.get(f"{ITEM}.jpg")
        stated = reading.read(answer.content).properties
        assert stated["xmp:CreateDate"].endswith("Z")
        assert answer.headers["etag"].startswith("W/")


def test_words_that_do_not_fit_are_a_bad_request(models: Endpoint) -> None:
    found = Provenance.model_validate({"visible": {"text": "AI"}})
    with models.running(models=("tiny",), provenance=found) as client:
        assert client.get(f"{ITEM}.png?size=64x64").status_code == 200
        refused = client.get(f"{ITEM}.png?size=12x12")
        assert refused.status_code == 400
        assert "provenance.visible: 'AI' takes" in refused.json()["error"]["message"]


def test_an_outage_is_told_without_the_address(models: Endpoint) -> None:
    with time_stamp_authority(root()) as authority:
        found = asked(credentials={"authority": authority.url})
        with models.running(models=("tiny",), provenance=found) as client:
            stamped = CredentialReader([root_pem()]).check(client.get(f"{ITEM}.png").content)
            assert stamped.is_time_stamped
            authority.is_up = False
            refused = client.get(f"{ITEM}.png")
    assert refused.status_code == 503
    assert "cannot be signed at the moment" in refused.text
    assert authority.url not in refused.text


def test_what_cannot_be_signed_is_refused_before_anything_starts(monkeypatch) -> None:
    require_signer(asked())
    with pytest.raises(SpecError, match=r"provenance\.provider"):
        require_signer(Provenance(profile="china", provider="a b"))
    for name in environment():
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError, match=r"credentials\.certificate is missing"):
        require_signer(asked())


@pytest.mark.parametrize("render_process", [False, True])
def test_a_watermark_names_the_item(models: Endpoint, render_process: bool) -> None:
    config = tiny_config().model_copy(update={"height": 128, "width": 128})
    name = f"large{render_process:d}"
    models.store.publish(name, config, tiny_tensors(config))
    mark = open_watermark("spread", b"")
    passes = functools.partial(models.running, micro_batch=4, render_process=render_process)
    with passes(models=(name,), provenance=Provenance(watermark="spread")) as client:
        path = f"/v1/images/{name}@v1/two/7/3.png"
        first, second = (client.get(path) for _ in range(2))
        assert "too few" in client.get(f"{path}?size=64x64").json()["error"]["message"]
    assert first.content == second.content
    assert first.headers["etag"].startswith('"')
    item = reading.read(first.content).item_id
    assert item is not None
    assert mark.detect(decode(first.content, 1)).payload == payload_of(item, mark.payload_bits)


def test_a_model_whose_items_are_too_small_is_not_served(models: Endpoint) -> None:
    service = models.service(models=("tiny",), provenance=Provenance(watermark="spread"))
    with pytest.raises(StoreError, match="16 x 16 pixels are too few"):
        service.catalogue.start()
