"""Signatures from a KMS or HSM: what such a service returns becomes what COSE wants."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509 import Certificate

from aigc.errors import CredentialsError
from aigc.provenance.certificates import Algorithm, SigningMaterial
from aigc.provenance.secrets import SIGNER

_PROBE = b"aigc asks whether this key signs for its certificate"
_WIDTHS = {"ES256": 32, "ES384": 48, "ES512": 66}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ES256": hashes.SHA256(),
    "ES384": hashes.SHA384(),
    "ES512": hashes.SHA512(),
}


class CheckedCallback:
    """The user's function, as the signing library calls it.

    That library drops exceptions of a callback; `failure` keeps the last one for the message.
    """

    def __init__(self, material: SigningMaterial) -> None:
        assert material.sign_bytes is not None
        self._sign, self._algorithm = material.sign_bytes, material.algorithm
        self.failure: Exception | None = None

    def __call__(self, message: bytes) -> bytes:
        try:
            return as_cose(self._sign(message), self._algorithm)
        except Exception as error:
            self.failure = error
            raise


def as_cose(signature: bytes, algorithm: Algorithm) -> bytes:
    """An ECDSA signature as r and s side by side (RFC 9053, 2.1), also from DER, which KMSs give.
    Signatures of other algorithms stay."""
    width = _WIDTHS.get(algorithm)
    if width is None or len(signature) == 2 * width:
        return signature
    r, s = decode_dss_signature(signature)
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def check(material: SigningMaterial) -> None:
    """Ask for one signature and compare it with the certificate.

    Raises CredentialsError, in one line, if the function fails or signs with another key.
    """
    callback = CheckedCallback(material)
    try:
        signature = callback(_PROBE)
    except Exception as error:
        raise CredentialsError(f"{SIGNER}: {type(error).__name__}: {error}") from None
    try:
        _verify(material.leaf, material.algorithm, signature)
    except InvalidSignature:
        raise CredentialsError(
            f"{SIGNER}: its signature does not fit the certificate; give the certificate of the "
            f"key that signs, with {material.algorithm}"
        ) from None


def _verify(leaf: Certificate, algorithm: Algorithm, signature: bytes) -> None:
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        width = _WIDTHS[algorithm]
        parts = (int.from_bytes(part, "big") for part in (signature[:width], signature[width:]))
        key.verify(encode_dss_signature(*parts), _PROBE, ec.ECDSA(_HASHES[algorithm]))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, _PROBE)
    elif isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
        key.verify(signature, _PROBE, pss, hashes.SHA256())
