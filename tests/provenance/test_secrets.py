from __future__ import annotations

import pickle

import pytest

from aigc.errors import CredentialsError
from aigc.provenance import secrets
from aigc.provenance.secrets import CERTIFICATE, KEY, SIGNER, Secrets, carried
from aigc.provenance.spec import Credentials
from tests.provenance.signers import environment, leaf


def test_files_that_are_named_are_carried_as_their_text(tmp_path) -> None:
    texts = environment()
    for name in (CERTIFICATE, KEY):
        (tmp_path / name).write_text(texts[name])
    paths = {name: str(tmp_path / name) for name in (CERTIFICATE, KEY)}
    assert dict(carried(Credentials(), paths)) == dict(texts)
    asked = Credentials(certificate=paths[CERTIFICATE], key=paths[KEY])
    assert dict(carried(asked, {})) == dict(texts)
    assert secrets.of_environment(paths) == dict(texts)


def test_a_function_is_carried_by_its_name() -> None:
    given = {CERTIFICATE: environment()[CERTIFICATE], SIGNER: "module:name"}
    assert dict(carried(Credentials(), given)) == given
    assert secrets.of_environment(given) == given


def test_what_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(CredentialsError, match=r"credentials\.key is missing"):
        carried(Credentials(), {CERTIFICATE: environment()[CERTIFICATE]})
    with pytest.raises(CredentialsError, match=r"credentials\.certificate '/no.*No such file"):
        carried(Credentials(certificate="/no"), environment())
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match="not PEM text"):
        carried(Credentials(key=str(tmp_path / "key")), environment())


def test_their_text_shows_no_value() -> None:
    found = carried(Credentials(), environment())
    assert repr(found) == str(found) == f"<{CERTIFICATE}, {KEY}>"
    assert dict(pickle.loads(pickle.dumps(found))) == dict(found)


def test_a_worker_forgets_what_its_machine_names() -> None:
    here = {KEY: leaf().key_pem.decode(), "PATH": "/bin"}
    Secrets({CERTIFICATE: "a", SIGNER: "b"}).adopt(here)
    assert here == {"PATH": "/bin", CERTIFICATE: "a", SIGNER: "b"}
