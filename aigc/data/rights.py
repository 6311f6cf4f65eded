"""Why a row may not be trained on, by the policy of a spec."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from aigc.data.notes import Notes
from aigc.data.sources import Input
from aigc.modalities.rights import Rights

_CREDITED = re.compile(r"cc[\s-]*by\b.*|attribution\b.*", re.IGNORECASE)
"""Licences that ask for the creator's name."""
_DENIED = {"no", "n", "false", "0", "denied", "refused", "withdrawn", "revoked", "none", "unknown"}


def refusal(rights: Rights, notes: Notes, licence: str | None = None) -> str:
    """The reason to reject a row with these notes; empty if there is none. `licence` is that of the
    whole source, for rows that have none of their own."""
    stated = notes.licence or licence
    held = dataclasses.replace(notes, licence=stated)
    for name in rights.require:
        if not getattr(held, name):
            return f"no {name}, which rights.require asks for"
    if stated and rights.allow_licences and not _is_allowed(stated, rights):
        return f"licence {stated[:80]!r} is not one of rights.allow_licences"
    if stated and not notes.creator and _CREDITED.fullmatch(stated.strip()):
        return f"licence {stated[:80]!r} needs its creator"
    consent = (notes.consent or "").strip().casefold()
    return f"consent = {consent!r}" if consent in _DENIED else ""


def permitted(inputs: Iterator[Input], rights: Rights, licence: str | None) -> Iterator[Input]:
    """The same inputs; those that the policy refuses have a reason in place of their item."""
    for one in inputs:
        reason = refusal(rights, one.notes, licence) if one.item is not None else ""
        yield dataclasses.replace(one, item=None, reason=reason) if reason else one


def _is_allowed(licence: str, rights: Rights) -> bool:
    plain = licence.strip().casefold()
    return any(fnmatchcase(plain, pattern.casefold()) for pattern in rights.allow_licences)
