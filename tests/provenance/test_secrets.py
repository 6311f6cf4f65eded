from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from aigc.errors import CredentialsError
from aigc.provenance import secrets
from aigc.provenance.secrets import CERTIFICATE, KEY, SIGNER, WATERMARK, Secrets, carried
from aigc.provenance.spec import Credentials, Provenance
from tests.provenance.signers import environment, leaf


def signing(asked: Credentials, given: Mapping[str, str]) -> Secrets:
    found = carried(Provenance(credentials=asked), given)
    assert found is not None
    return found


def test_the_key_of_watermarks_is_carried_and_nothing_that_is_not_asked_for(tmp_path) -> None:
    given = dict(environment()) | {WATERMARK: "ab" * 16}
    assert carried(Provenance(), given) is None
    assert dict(carried(Provenance(watermark="spread"), given) or {}) == {WATERMARK: "ab" * 16}
    public = carried(Provenance(watermark="spread"), {})
    assert public is not None
    assert dict(public) == {}


def test_files_that_are_named_are_carried_as_their_text(tmp_path) -> None:
    texts = environment()
    for name in (CERTIFICATE, KEY):
        (tmp_path / name).write_text(texts[name])
    paths = {name: str(tmp_path / name) for name in (CERTIFICATE, KEY)}
    assert dict(signing(Credentials(), paths)) == dict(texts)
    asked = Credentials(certificate=paths[CERTIFICATE], key=paths[KEY])
    assert dict(signing(asked, {})) == dict(texts)
    assert secrets.of_environment(paths) == dict(texts)


def test_a_function_is_carried_by_its_name() -> None:
    given = {CERTIFICATE: environment()[CERTIFICATE], SIGNER: "module:name"}
    assert dict(signing(Credentials(), given)) == given
    assert secrets.of_environment(given) == given


def test_what_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(CredentialsError, match=r"credentials\.key is missing"):
        signing(Credentials(), {CERTIFICATE: environment()[CERTIFICATE]})
    with pytest.raises(CredentialsError, match=r"credentials\.certificate '/no.*No such file"):
        signing(Credentials(certificate="/no"), environment())
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match="not PEM text"):
        signing(Credentials(key=str(tmp_path / "key")), environment())


def test_their_text_shows_no_value() -> None:
    found = signing(Credentials(), environment())
    assert repr(found) == str(found) == f"<{CERTIFICATE}, {KEY}>"
    assert dict(pickle.loads(pickle.dumps(found))) == dict(found)


def test_a_worker_forgets_what_its_machine_names() -> None:
    here = {KEY: leaf().key_pem.decode(), "PATH": "/bin"}
    Secrets({CERTIFICATE: "a", SIGNER: "b"}).adopt(here)
    assert here == {"PATH": "/bin", CERTIFICATE: "a", SIGNER: "b"}
