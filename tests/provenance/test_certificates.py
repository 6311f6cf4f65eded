from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from aigc.errors import CredentialsError
from aigc.provenance import certificates
from aigc.provenance.chains import issue, make_root
from aigc.provenance.secrets import CERTIFICATE, KEY, SIGNER
from aigc.provenance.spec import Credentials
from tests.provenance.signers import environment, leaf, root

PKCS8 = Encoding.PEM, PrivateFormat.PKCS8


def self_signed(key) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A")])
    now = dt.datetime.now(dt.UTC)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    return (
        builder.sign(key, hashes.SHA256() if digest else None).public_bytes(Encoding.PEM).decode()
    )


GOOD = [
    (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
    (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
    (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
    (ed25519.Ed25519PrivateKey.generate, "ED25519"),
    (lambda: rsa.generate_private_key(65537, 2048), "PS256"),
]
BAD: list[tuple[Callable, str]] = [
    (lambda: ec.generate_private_key(ec.SECP256K1()), "EC secp256k1"),
    (lambda: rsa.generate_private_key(65537, 1024), "RSA of 1024 bits"),
    (ed448.Ed448PrivateKey.generate, "Ed448"),
    (lambda: dsa.generate_private_key(2048), "DSA"),
]


@pytest.mark.parametrize(("make", "algorithm"), GOOD)
def test_the_algorithm_follows_the_key(make, algorithm) -> None:
    key = make()
    held = {CERTIFICATE: self_signed(key), KEY: key.private_bytes(*PKCS8, NoEncryption()).decode()}
    assert certificates.load(Credentials(), held).algorithm == algorithm


@pytest.mark.parametrize(("make", "kind"), BAD)
def test_keys_that_c2pa_does_not_know_are_refused(make, kind) -> None:
    key = make()
    held = {CERTIFICATE: self_signed(key), KEY: key.private_bytes(*PKCS8, NoEncryption()).decode()}
    with pytest.raises(CredentialsError, match=f"type {kind} cannot sign; use EC P-256"):
        certificates.load(Credentials(), held)


def locked() -> str:
    return leaf().key.private_bytes(*PKCS8, BestAvailableEncryption(b"secret")).decode()


ONE_LINE = [
    (lambda: {}, "credentials.certificate is missing"),
    (lambda: {**environment(), KEY: ""}, "credentials.key is missing"),
    (lambda: {**environment(), CERTIFICATE: "/nowhere.pem"}, "'/nowhere.pem': No such file"),
    (lambda: {**environment(), CERTIFICATE: "-----BEGIN nothing"}, "not PEM certificates"),
    (lambda: {**environment(), KEY: "-----BEGIN nothing"}, "not a private key in PEM"),
    (lambda: {**environment(), KEY: locked()}, "credentials.key is encrypted"),
    (lambda: environment(issue(root(), "Old", -1)), "Old test signer.* expired at"),
    (
        lambda: environment(issue(root(), "New", 9, starting_in_days=2)),
        "is valid from .* this machine's clock says",
    ),
    (
        lambda: {**environment(), KEY: root().key_pem.decode()},
        "credentials.key does not belong to the certificate of 'CN=Test test signer",
    ),
    (
        lambda: {
            **environment(),
            CERTIFICATE: (leaf().certificate_pem + make_root("Else").certificate_pem).decode(),
        },
        "was not issued by",
    ),
    (lambda: {**environment(), KEY: "", SIGNER: "nowhere:sign"}, "credentials.key is missing"),
]


@pytest.mark.parametrize(("held", "said"), ONE_LINE)
def test_what_cannot_sign_is_refused_in_one_line(held, said) -> None:
    with pytest.raises(CredentialsError, match=said) as caught:
        certificates.load(Credentials(), held())
    text = str(caught.value)
    assert "\n" not in text
    assert "PRIVATE KEY" not in text


@pytest.mark.parametrize(
    ("named", "said"),
    [("nowhere:sign", "No module named"), ("json:nothing", "no attribute"), ("json", "")],
)
def test_functions_that_are_not_there(named, said) -> None:
    held = {CERTIFICATE: environment()[CERTIFICATE], SIGNER: named}
    with pytest.raises(CredentialsError, match=f"AIGC_SIGNER='{named}'.*{said}"):
        certificates.load(Credentials(), held)


def test_a_key_never_shows_in_text() -> None:
    found = certificates.load(Credentials(), environment())
    assert "PRIVATE" not in repr(found)
    assert "PRIVATE" not in str(found)
