"""A job as its fields stand in `_job.json`.

What there was before conditions, families and modalities had names stands there as it always did:
the form of the items and the knobs of the first family among the other fields, the schedule of the
first condition as `pattern` and `labels`. So sets begun before are read, and others can read ours.
"""

from __future__ import annotations

from typing import Any

from aigc.conditions import CONDITIONS
from aigc.families import FAMILIES
from aigc.modalities import MODALITIES

FIRST_MODALITY = next(iter(MODALITIES))
_FIRST_CONDITION = next(iter(CONDITIONS))


def from_fields(said: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Job` from those in the file."""
    delivery = MODALITIES[said.get("modality", FIRST_MODALITY)].delivery
    form = {name: said[name] for name in delivery.form.model_fields if name in said}
    knobs = {name: said[name] for name in _first_knobs() if name in said}
    schedules = said.get("schedules", {})
    if said.get("pattern"):
        named = {"pattern": said["pattern"], "names": said.get("labels", ())}
        schedules = {_FIRST_CONDITION: named}
    gone = {*form, *knobs, "pattern", "labels"}
    rest = {name: value for name, value in said.items() if name not in gone}
    parts = {"schedules": schedules, "sampling": said.get("sampling", knobs)}
    return {**rest, **parts, "form": delivery.form.model_validate(form)}


def to_fields(found: dict[str, Any]) -> dict[str, Any]:
    """The fields in the file from those of `Job`, as far as they are there."""
    said = dict(found)
    form: dict[str, Any] = said.pop("form", {})
    if said.get("sampling", {}).keys() == _first_knobs():
        said |= said.pop("sampling")
    if "schedules" in said and said["schedules"].keys() <= {_FIRST_CONDITION}:
        one: dict[str, Any] = said.pop("schedules").get(_FIRST_CONDITION, {})
        said |= {"pattern": one.get("pattern", ()), "labels": one.get("names", ())}
    return said | form


def _first_knobs() -> set[str]:
    return {*next(iter(FAMILIES.values())).sampling.model_fields}
