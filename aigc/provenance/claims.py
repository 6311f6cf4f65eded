"""The C2PA manifest of one item: what was created, by which model, from which data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from aigc import __version__
from aigc.provenance.statement import ItemFacts, Statement, bounded

ORIGIN = "aigc.origin"
"""Label of the project's own assertion."""
TimeStamp = Literal["none", "asked", "authority did not answer"]


@dataclass(frozen=True)
class SoftBinding:
    """A watermark that carries `value`; `algorithm` is its name in C2PA's list of soft bindings."""

    algorithm: str
    value: str


class Claims:
    """Manifests of one job: what all items share is put together once."""

    def __init__(self, statement: Statement) -> None:
        self._statement, self._actions = statement, _created(statement, statement.created)
        stated = {
            "generator": statement.generator,
            "model": statement.model,
            "model_version": statement.model_version,
            "model_digest": statement.model_digest,
            "training_data_digest": statement.data_digest,
            "provider": statement.provider,
            "created": statement.created,
        }
        self._origin = {name: bounded(value) for name, value in stated.items() if value}

    def manifest(
        self, item: ItemFacts, time_stamp: TimeStamp, watermark: SoftBinding | None = None
    ) -> str:
        """As JSON for the signing library."""
        origin: dict[str, Any] = self._origin | {"item": item.id, "time_stamp": time_stamp}
        if item.prompt:
            origin["prompt"] = bounded(item.prompt)
        actions = self._actions
        if item.created:
            actions = _created(self._statement, item.created)
            origin["created"] = bounded(item.created)
        assertions = [actions, {"label": ORIGIN, "data": origin}]
        if watermark is not None:
            assertions.append(_soft_binding(watermark))
        return json.dumps(
            {
                "claim_generator_info": [{"name": "aigc", "version": __version__}],
                "title": item.id,
                "assertions": assertions,
            }
        )


def _created(statement: Statement, created: str) -> dict[str, Any]:
    agent = {"name": bounded(statement.model), "version": bounded(statement.model_version)}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": statement.source_type,
        "softwareAgent": agent,
    }
    if created:
        action["when"] = created
    return {"label": "c2pa.actions.v2", "data": {"actions": [action]}}


def _soft_binding(watermark: SoftBinding) -> dict[str, Any]:
    block = {"scope": {}, "value": watermark.value}
    return {
        "label": "c2pa.soft-binding",
        "data": {"alg": watermark.algorithm, "blocks": [block]},
    }
