"""Test certificates and signers that the tests of credentials share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from aigc.provenance.chains import Issued, issue, make_root
from aigc.provenance.marker import Marker
from aigc.provenance.media_types import media_type
from aigc.provenance.secrets import CERTIFICATE, KEY
from aigc.provenance.signing import FileSigner
from aigc.provenance.spec import Credentials, Provenance
from aigc.provenance.statement import ItemFacts
from aigc.specs import Codec
from tests.provenance.statements import ITEM, STATEMENT, picture


@functools.cache
def root() -> Issued:
    return make_root("Test")


@functools.cache
def leaf() -> Issued:
    return issue(root(), "Test", 30)


def root_pem() -> str:
    return root().certificate_pem.decode()


def environment(other: Issued | None = None) -> Mapping[str, str]:
    one = other or leaf()
    chain = one.certificate_pem + root().certificate_pem
    return {CERTIFICATE: chain.decode(), KEY: one.key_pem.decode()}


def signer(other: Issued | None = None, **asked: Any) -> FileSigner:
    return FileSigner(Credentials(**asked), STATEMENT, environment(other))


def marked(codec: Codec, quality: int = 90, *, seed: int = 0, item: ItemFacts = ITEM) -> bytes:
    """A picture with metadata, not signed."""
    return Marker(Provenance(), STATEMENT).picture(picture(codec, quality, seed=seed), item)


def second_reader(file: bytes) -> dict[str, Any]:
    """What encypher-c2pa says of a file."""
    import encypher_c2pa

    roots = root_pem()
    return dict(
        encypher_c2pa.verify(
            file,
            media_type(file),
            trust_pem=roots,
            tsa_trust_pem=roots,
            no_default_trust=True,
            telemetry=False,
            online=False,
        )
    )
