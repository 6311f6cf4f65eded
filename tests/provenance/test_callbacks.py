from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from aigc.errors import CredentialsError
from aigc.provenance import callbacks
from aigc.provenance.checking import CredentialReader
from aigc.provenance.secrets import CERTIFICATE, SIGNER
from aigc.provenance.signing import FileSigner
from aigc.provenance.spec import Credentials
from tests.provenance.signers import environment, leaf, marked, root, root_pem
from tests.provenance.statements import ITEM, STATEMENT

HERE = "tests.provenance.test_callbacks"
calls: list[int] = []


def sign_as_a_kms(message: bytes) -> bytes:
    """As AWS KMS or Google Cloud KMS answer: ECDSA in DER."""
    calls.append(len(message))
    return leaf().key.sign(message, ec.ECDSA(hashes.SHA256()))


def sign_raw(message: bytes) -> bytes:
    return callbacks.as_cose(sign_as_a_kms(message), "ES256")


def sign_with_another_key(message: bytes) -> bytes:
    return root().key.sign(message, ec.ECDSA(hashes.SHA256()))


def fail(message: bytes) -> bytes:
    raise PermissionError("kms:Sign is not allowed for this role")


def fail_later(message: bytes) -> bytes:
    if calls:
        raise TimeoutError("the KMS did not answer in 5 s")
    return sign_as_a_kms(message)


def signer_through(name: str) -> FileSigner:
    held = {CERTIFICATE: environment()[CERTIFICATE], SIGNER: f"{HERE}:{name}"}
    return FileSigner(Credentials(), STATEMENT, held)


@pytest.mark.parametrize("name", ["sign_as_a_kms", "sign_raw"])
def test_a_function_signs_each_file(name) -> None:
    calls.clear()
    signs = signer_through(name)
    before = len(calls)
    file = signs.sign(marked("jpeg"), "jpeg", ITEM)
    assert CredentialReader([root_pem()]).check(file).standing == "trusted"
    assert len(calls) == before + 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sign_with_another_key", "does not fit the certificate"),
        ("fail", "AIGC_SIGNER: PermissionError: kms:Sign is not allowed"),
    ],
)
def test_functions_that_cannot_sign_are_found_before_the_first_item(name, said) -> None:
    with pytest.raises(CredentialsError, match=said) as caught:
        signer_through(name)
    assert "\n" not in str(caught.value)


def test_a_function_that_fails_later_says_why() -> None:
    calls.clear()
    with pytest.raises(CredentialsError, match="TimeoutError: the KMS did not answer"):
        signer_through("fail_later").sign(marked("png"), "png", ITEM)
