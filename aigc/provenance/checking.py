"""Whether a file's Content Credentials hold: signature, untouched bytes, time stamp, trusted root.

Files may come from anybody: no network is used, and nothing outside the file is read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import c2pa

from aigc.provenance.claims import ORIGIN
from aigc.provenance.media_types import WITHOUT_CREDENTIALS, media_type

Standing = Literal["trusted", "valid", "invalid", "not_present"]
"""The results of OpenAI's provenance checks: `valid` is intact and signed by an unknown root."""
_STATES: dict[str | None, Standing] = {"Trusted": "trusted", "Valid": "valid"}
_OFFLINE = {"ocsp_fetch": False, "remote_manifest_fetch": False, "verify_trust": True}
_STAMPED = "timeStamp.validated"
_WRONG_STAMPS = ("timeStamp.mismatch", "timeStamp.malformed", "timeStamp.outsideValidity")
NO_STAMP = "aigc.timeStamp.missing"
"""The signed claim states that a time stamp was made, and the file has none."""


@dataclass(frozen=True)
class CredentialCheck:
    """`problems` are C2PA's codes of what is wrong; `origin` is the project's own assertion."""

    standing: Standing
    problems: tuple[str, ...] = ()
    is_time_stamped: bool = False
    signed_at: str | None = None
    issuer: str | None = None
    origin: dict[str, str] = field(default_factory=dict)
    soft_bindings: tuple[str, ...] = ()
    """Algorithms of the watermarks that the credential states."""


class CredentialReader:
    """Checks files against roots that the user trusts, PEM texts."""

    def __init__(self, roots: Sequence[str] = ()) -> None:
        settings: dict[str, Any] = {"verify": _OFFLINE}
        if roots:
            settings["trust"] = {"trust_anchors": "\n".join(roots)}
        self._context = c2pa.Context(c2pa.Settings.from_dict(settings))

    def check(self, file: bytes) -> CredentialCheck:
        """Of a file of any kind; `not_present` where it has no credential or no place for one."""
        mime = media_type(file)
        if not mime or mime in WITHOUT_CREDENTIALS:
            return CredentialCheck("not_present")
        try:
            reader = c2pa.Reader(mime, io.BytesIO(file), context=self._context)
        except c2pa.C2paError as error:
            text = str(error)
            if text.startswith("ManifestNotFound"):
                return CredentialCheck("not_present")
            return CredentialCheck("invalid", (text.splitlines()[0][:200],))
        with reader:
            return _checked(reader)


def _checked(reader: Any) -> CredentialCheck:
    store = json.loads(reader.json())
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    results = (store.get("validation_results") or {}).get("activeManifest") or {}
    codes = {kind: {one["code"] for one in found} for kind, found in results.items()}
    signature = active.get("signature_info") or {}
    named = {one["label"]: one.get("data") or {} for one in active.get("assertions", [])}
    origin = {str(k): str(v) for k, v in named.get(ORIGIN, {}).items()}
    state = _STATES.get(reader.get_validation_state(), "invalid")
    stamp = _stamp_problems(codes, origin)
    return CredentialCheck(
        standing="invalid" if stamp else state,
        problems=tuple(sorted(codes.get("failure", set()) | stamp)),
        is_time_stamped=_STAMPED in codes.get("success", ()),
        signed_at=signature.get("time"),
        issuer=signature.get("issuer"),
        origin=origin,
        soft_bindings=tuple(
            str(data.get("alg"))
            for label, data in named.items()
            if label.startswith("c2pa.soft-binding")
        ),
    )


def _stamp_problems(codes: dict[str, set[str]], origin: dict[str, str]) -> set[str]:
    """A time stamp stands outside what is signed, and readers of C2PA pass over one that does not
    fit. The project's claims state whether one was made, so its loss is found out."""
    if _STAMPED in codes.get("success", ()):
        return set()
    wrong = {code for found in codes.values() for code in found if code in _WRONG_STAMPS}
    return wrong or ({NO_STAMP} if origin.get("time_stamp") == "asked" else set())
