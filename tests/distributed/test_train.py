from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import JobError
from aigc.execution.publish import publish
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


def test_a_collapsed_model_is_published_only_on_request(digits_data: str, tmp_path: Path) -> None:
    watch = {"samples": 50, "every_images": 160, "on_collapse": ["stop"], "warm_up_images": 0}
    changes = {"lr": 0.075, "steps": 200, "publish": True, "name": "tiny-collapsed"}
    spec = tiny_spec(digits_data, tmp_path, **changes, watch=watch)
    result = train(spec)
    with pytest.raises(JobError, match="not published, the model is collapsed: cov") as caught:
        publish(spec, result)
    assert caught.value.exit_code == 1
    assert "--set watch.publish_collapsed=true" in str(caught.value)
    assert f"the run is kept in {tmp_path}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "tiny-collapsed" not in ModelStore().names()

    asked = tiny_spec(digits_data, tmp_path, **changes, watch=watch | {"publish_collapsed": True})
    made = publish(asked, train(asked))
    assert made["steps_run"] == 0
    version = ModelStore().resolve(made["model"])
    assert version.health == "collapsed"
    metrics = json.loads(storage.read_bytes(storage.join(version.uri, "metrics.json")))
    assert metrics["health"] == "collapsed"
    assert metrics["watch"]["events"][0]["remedies"] == ["stop"]
    assert "**This model is collapsed**: cov" in version.read("README.md").decode()
    sheet = Path(made["sheet"])
    assert sheet == tmp_path / "samples" / f"step-{made['steps']:09d}.png"
    assert sheet.exists()
