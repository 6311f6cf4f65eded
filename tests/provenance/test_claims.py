from __future__ import annotations

import json

from aigc.provenance.claims import Claims, SoftBinding
from aigc.provenance.statement import ItemFacts
from tests.provenance.statements import ITEM, STATEMENT


def test_a_manifest_states_creation_model_data_and_item() -> None:
    found = json.loads(Claims(STATEMENT).manifest(ITEM, "asked"))
    actions, origin = found["assertions"]
    (created,) = actions["data"]["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == STATEMENT.source_type
    assert created["softwareAgent"] == {"name": "shoes", "version": "3"}
    assert origin["data"]["item"] == ITEM.id
    assert origin["data"]["model_digest"] == "ab" * 32
    assert origin["data"]["training_data_digest"] == "cd" * 32
    assert origin["data"]["time_stamp"] == "asked"


def test_a_watermark_is_stated_with_its_algorithm_and_only_then() -> None:
    claims = Claims(STATEMENT)
    bound = json.loads(claims.manifest(ITEM, "none", SoftBinding("com.example.mark", "0f")))
    assert bound["assertions"][-1] == {
        "label": "c2pa.soft-binding",
        "data": {"alg": "com.example.mark", "blocks": [{"scope": {}, "value": "0f"}]},
    }
    assert "soft-binding" not in claims.manifest(ITEM, "none")


def test_one_item_s_facts_do_not_leak_into_the_next() -> None:
    claims = Claims(STATEMENT)
    claims.manifest(ITEM, "asked", SoftBinding("a", "b"))
    later = claims.manifest(ItemFacts("other"), "none")
    assert ITEM.id not in later
    assert "prompt" not in later
