from __future__ import annotations

from pathlib import Path

from aigc.orchestration.publish import publish
from aigc.store import ModelStore
from aigc.training import train
from tests.training.helpers import tiny_spec


def test_synonyms_given_later_make_a_new_version(digits_data: str, tmp_path: Path) -> None:
    plain = tiny_spec(digits_data, tmp_path, steps=2, publish=True, name="tiny-synonyms")
    first = publish(plain, train(plain))
    assert publish(plain, train(plain))["model"] == first["model"]
    spoken = plain.model_copy(update={"synonyms": {"aught": "0"}})
    second = publish(spoken, train(spoken))
    assert second["model"] != first["model"]
    assert ModelStore().resolve(second["model"]).config.synonyms == {"aught": "0"}
    assert publish(spoken, train(spoken))["model"] == second["model"]
