"""What a set's manifest and card say of what its files state."""

from __future__ import annotations

from aigc.job.plan import Job
from aigc.provenance.profiles import wording_of
from aigc.types import Json

EARLIER = "0.1.0"
"""Stands for a profile where aigc 0.1.0 began the set."""


def described(job: Job, unstamped: int = 0) -> Json:
    """For the manifest: the profile, whether files have metadata, the words of a visible label,
    the method of a watermark, whether files are signed, the time-stamp authority and the number of
    items that have no time stamp of it, and why nothing is stated."""
    if job.embed_provenance is not None:
        found: Json = {"profile": EARLIER, "metadata": job.embed_provenance}
        return found | {"visible": None, "watermark": None, "signed": False}
    asked = job.provenance
    wording = wording_of(asked) if job.delivery.draws else None
    found = {
        "profile": asked.profile,
        "metadata": asked.profile != "none" and job.delivery.has_metadata(job.form.codec),
        "visible": None if wording is None else wording.text,
        "watermark": asked.watermark,
        "signed": asked.credentials is not None,
    }
    if asked.credentials is not None:
        found["authority"] = asked.credentials.authority
        if asked.credentials.authority is not None:
            found["unstamped"] = unstamped
    return found | ({"reason": asked.reason} if asked.reason else {})


def line(said: Json, one: str) -> str:
    """For the card, from what `described` gives; `one` is an item of the set, `image`."""
    if "reason" in said:
        return (
            f"- Files state nothing of their origin (provenance profile `none`): {said['reason']}"
        )
    parts = [f"provenance profile `{said['profile']}`"]
    parts.append("metadata in each file" if said["metadata"] else "no metadata in files")
    if said["visible"]:
        parts.append(f"the words “{said['visible']}” on each {one}")
    mark = said["watermark"]
    parts.append(f"watermark `{mark}` in each {one}" if mark else "no watermark")
    parts.append(_signature(said))
    return f"- Marked: {'; '.join(parts)}"


def _signature(said: Json) -> str:
    if not said["signed"]:
        return "not signed"
    stamped = f", time stamps of {said['authority']}" if said["authority"] else ", no time stamps"
    if lacking := said.get("unstamped"):
        stamped += f" ({lacking:,} files have none: it did not answer)"
    return f"Content Credentials (C2PA) in each file{stamped}"
