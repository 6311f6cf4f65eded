"""What signs: a certificate chain and its private key, found, parsed and checked before any item.

The environment may hold each as a path or as PEM text. Keys never reach specs, logs or manifests.
Algorithms are those of C2PA 2.4, section 13.2: ES256, ES384, ES512, PS256 and Ed25519.
"""

from __future__ import annotations

import datetime as dt
import importlib
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from aigc.errors import CredentialsError
from aigc.provenance.secrets import CERTIFICATE, KEY, SIGNER, pem_text, signs_by_function
from aigc.provenance.spec import Credentials

Algorithm = Literal["ES256", "ES384", "ES512", "PS256", "ED25519"]
SignBytes = Callable[[bytes], bytes]
"""Signs a message with the private key that it guards, such as one in a KMS or HSM."""
_CURVES: dict[str, Algorithm] = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_LEAST_RSA_BITS = 2048
_SUPPORTED = "EC P-256, P-384 or P-521, Ed25519, or RSA of 2048 bits or more"


@dataclass(frozen=True, repr=False)
class SigningMaterial:
    """Either `key_pem` or `sign_bytes` is given. Its text shows neither."""

    chain_pem: str
    chain: tuple[x509.Certificate, ...]
    algorithm: Algorithm
    key_pem: str | None = None
    sign_bytes: SignBytes | None = None

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]


def load(
    asked: Credentials, environment: Mapping[str, str] = os.environ, now: dt.datetime | None = None
) -> SigningMaterial:
    """What `asked` and the environment name, checked.

    Raises:
        CredentialsError: in one line, when something is missing, cannot be read, is not valid now,
            is of a kind that C2PA does not know, or when key and certificate do not match.
    """
    pem = pem_text(asked.certificate, environment, CERTIFICATE, "certificate")
    chain = _chain(pem)
    _check_dates(chain, now or dt.datetime.now(dt.UTC))
    algorithm = _algorithm(chain[0].public_key())
    if signs_by_function(asked, environment):
        return SigningMaterial(pem, chain, algorithm, sign_bytes=_function(environment[SIGNER]))
    key_pem = pem_text(asked.key, environment, KEY, "key")
    _check_match(_private_key(key_pem), chain[0])
    return SigningMaterial(pem, chain, algorithm, key_pem=key_pem)


def _chain(pem: str) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem.encode()))
    except ValueError:
        raise CredentialsError(
            "credentials.certificate: not PEM certificates; the signing one comes first"
        ) from None
    for signed, signer in itertools.pairwise(chain):
        if signed.issuer != signer.subject:
            raise CredentialsError(
                f"credentials.certificate: {_called(signed)} was not issued by {_called(signer)}, "
                "which follows it; order the chain from the signing certificate to the root"
            )
    return chain


def _check_dates(chain: tuple[x509.Certificate, ...], now: dt.datetime) -> None:
    for one in chain:
        if now > one.not_valid_after_utc:
            raise CredentialsError(
                f"credentials.certificate: {_called(one)} expired at "
                f"{one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew it"
            )
        if now < one.not_valid_before_utc:
            raise CredentialsError(
                f"credentials.certificate: {_called(one)} is valid from "
                f"{one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
                f"{now:%Y-%m-%d %H:%M} UTC; correct the clock or wait"
            )


def _algorithm(key: PublicKeyTypes) -> Algorithm:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ED25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return "PS256"
    raise CredentialsError(
        f"credentials.certificate: a key of type {_kind(key)} cannot sign; use {_SUPPORTED}"
    )


def _kind(key: PublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA of {key.key_size} bits"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise CredentialsError(
            "credentials.key is encrypted; decrypt it, or sign through AIGC_SIGNER"
        ) from None
    except ValueError:
        raise CredentialsError("credentials.key: not a private key in PEM") from None


def _check_match(key: PrivateKeyTypes, leaf: x509.Certificate) -> None:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise CredentialsError(
            f"credentials.key does not belong to the certificate of {_called(leaf)}; give the key "
            "that the certificate was made for"
        )


def _function(named: str) -> SignBytes:
    module, _, name = named.partition(":")
    if not name:
        raise CredentialsError(f"{SIGNER}={named!r}: names no function; write module:function")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise CredentialsError(f"{SIGNER}={named!r}: {error}; write module:function") from None
    if not callable(found):
        raise CredentialsError(f"{SIGNER}={named!r} is not a function")
    signs: SignBytes = found
    return signs


def _called(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string())
