"""What is put into pixels before they are encoded: a visible label, then a watermark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aigc.errors import SpecError
from aigc.provenance.claims import SoftBinding
from aigc.provenance.profiles import Wording, wording_of
from aigc.provenance.spec import Provenance
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.provenance.watermark.keys import VARIABLE, key_from
from aigc.provenance.watermark.payload import payload_of

_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class Overlay:
    """Of N items: `payloads` (N,) of the watermark, none where there is no watermark."""

    wording: Wording | None = None
    watermark: CheckedWatermark | None = None
    payloads: Sequence[bytes] = ()

    def of(self, ids: Sequence[str]) -> Overlay:
        """With the payloads of items of these ids."""
        if self.watermark is None:
            return self
        bits = self.watermark.payload_bits
        return replace(self, payloads=[payload_of(name, bits) for name in ids])

    def rows(self, numbers: Sequence[int]) -> Overlay:
        """Of some of the items."""
        if self.watermark is None:
            return self
        return replace(self, payloads=[self.payloads[at] for at in numbers])

    def soft_binding(self, item_id: str) -> SoftBinding | None:
        """What the credential of an item states of its watermark."""
        if self.watermark is None:
            return None
        return self.watermark.soft_binding(payload_of(item_id, self.watermark.payload_bits))


def watermark_of(asked: Provenance, environment: Mapping[str, str]) -> CheckedWatermark | None:
    """With the key of `environment`. Raises SpecError for an unknown method or a wrong key."""
    if asked.watermark is None:
        return None
    return open_watermark(asked.watermark, key_from(environment))


def overlay_of(asked: Provenance, environment: Mapping[str, str]) -> Overlay:
    """What `asked` puts into items, before it is known into which. Raises as `watermark_of`."""
    return Overlay(wording_of(asked), watermark_of(asked, environment))


def key_fingerprint(asked: Provenance, environment: Mapping[str, str]) -> str:
    """What tells one key from another; empty for the public one, and where there is no watermark.
    Keys have 128 bits or more, so none is found from it. Raises SpecError."""
    key = b"" if asked.watermark is None else key_from(environment)
    return (
        hashlib.sha256(b"aigc watermark key" + key).hexdigest()[:_FINGERPRINT_DIGITS] if key else ""
    )


def require_key(asked: Provenance, fingerprint: str, environment: Mapping[str, str]) -> None:
    """Raises SpecError where `environment` has another key than a set was begun with."""
    if key_fingerprint(asked, environment) != fingerprint:
        right = f"the key of fingerprint {fingerprint}" if fingerprint else "no key"
        raise SpecError(f"{VARIABLE}: the set was begun with {right}; set that one")
