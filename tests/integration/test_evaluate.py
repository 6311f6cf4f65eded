"""`aigc evaluate` on stored models: alone, on Ray, on data in a bucket, and with wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aigc import storage
from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.data.dataset import open_dataset
from aigc.distributed.evaluate import METRICS, PAGE, REPORT, asked_labels, run
from aigc.evaluation.cache import FOLDER
from aigc.execution import other_data
from aigc.specs import EvaluateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json
from tests.command_line import aigc
from tests.models_for_tests import publish_tiny, tiny_config, tiny_tensors

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model(digits_data: str) -> ModelVersion:
    return publish_tiny("tiny-evaluated", labels=open_dataset(digits_data).labels)


def spec(model: ModelVersion, data: str, out: Path | str, **fields: Any) -> EvaluateSpec:
    values = {"model": model.ref, "data": data, "out": str(out), "samples": 120}
    return EvaluateSpec.model_validate(values | fields)


def figures(found: Json) -> Json:
    return {key: found[key] for key in ("figures", "collapse", "memorisation", "classes")}


@pytest.fixture(scope="module")
def alone(model: ModelVersion, digits_data: str, tmp_path_factory: pytest.TempPathFactory) -> Json:
    out = tmp_path_factory.mktemp("alone")
    found = run(spec(model, digits_data, out))
    assert json.loads((out / REPORT).read_text()) == found
    assert (out / PAGE).read_bytes().startswith(b"\x89PNG")
    return found


def test_the_figures_are_kept_beside_the_model(alone: Json, model: ModelVersion) -> None:
    store = ModelStore()
    metrics = json.loads(store.read_extra(model, METRICS) or b"{}")
    assert metrics["fd"] == alone["figures"]["fd"]["model"]
    assert metrics["recall_floor"] == alone["figures"]["recall"]["floor"]
    assert metrics["collapse"].startswith("suspected: ")
    assert metrics["evaluation"]["protocol"]["counts"]["samples"] == 120
    assert (store.read_extra(model, PAGE) or b"").startswith(b"\x89PNG")
    assert alone["model"]["digest"] == model.digest


def test_a_worker_of_a_cluster_finds_the_same(
    ray_session: None, alone: Json, model: ModelVersion, digits_data: str, tmp_path: Path
) -> None:
    told: list[tuple[float, float]] = []
    found = run(
        spec(model, digits_data, tmp_path, publish=False),
        "auto",
        lambda done, total, **_: told.append((done, total)),
    )
    for name, figure in found["figures"].items():
        assert figure["model"] == pytest.approx(alone["figures"][name]["model"], rel=0.02), name
    assert (tmp_path / REPORT).exists()
    assert told


def test_data_and_report_may_live_in_a_bucket(
    s3_uri: str, alone: Json, model: ModelVersion, digits_data: str
) -> None:
    data, out = f"{s3_uri}/digits", f"{s3_uri}/report"
    for entry in list(storage.listing(digits_data)):
        if not entry.key.startswith(FOLDER):
            storage.write_bytes(storage.join(data, entry.key), storage.read_bytes(entry.uri))
    found = run(spec(model, data, out, publish=False))
    assert figures(found) == figures(alone)
    kinds = {entry.key.split("-")[0] for entry in storage.listing(storage.join(data, FOLDER))}
    assert kinds == {"features", "floor", "neighbours"}
    assert json.loads(storage.read_bytes(storage.join(out, REPORT))) == found


def test_samples_are_asked_for_as_the_test_split_has_them(digits_data: str) -> None:
    dataset = open_dataset(digits_data)
    found = asked_labels(tiny_config(labels=dataset.labels), dataset, 120, 0)
    assert found is not None
    assert len(found) == 120
    shares = [dataset.per_class["test"][name] / dataset.counts["test"] for name in dataset.labels]
    for index, share in enumerate(shares):
        assert abs((found == index).sum() - 120 * share) < 1
    assert asked_labels(tiny_config(labels=()), dataset, 120, 0) is None


def test_an_unconditional_model(digits_data: str, tmp_path: Path) -> None:
    found = run(spec(publish_tiny("tiny-free", labels=()), digits_data, tmp_path, publish=False))
    assert "label_agreement" not in found["figures"]


def test_data_that_the_model_was_not_trained_on_is_named(digits_data: str, tmp_path: Path) -> None:
    config = tiny_config(labels=()).model_copy(update={"data_digest": "0" * 64})
    other = ModelStore().publish("tiny-elsewhere", config, tiny_tensors(config))
    said: list[str] = []
    found = run(spec(other, digits_data, tmp_path, publish=False), notice=said.append)
    assert said == [other_data.in_words(config, open_dataset(digits_data))]
    assert found["other_data"] == {"digest": "0" * 64, "test_items_trained_on": None}
    assert found["notes"][0].startswith(said[0])
    assert json.loads((tmp_path / REPORT).read_text()) == found


def test_the_command_prints_a_table_or_json(
    alone: Json,
    model: ModelVersion,
    digits_data: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["evaluate", model.uri, "--data", digits_data, "--out", str(tmp_path)]
    words += ["--samples", "120", "--no-publish"]
    code, shown, said = aigc(capsys, *words)
    assert code == 0, said
    assert "Fréchet distance" in shown
    assert "collapse: suspected" in shown
    assert "Inception FID: not computed" in shown
    printed = json.loads(aigc(capsys, *words, "--json")[1])
    assert printed["figures"] == alone["figures"]


def test_wrong_input_is_one_line_and_exit_code_2(
    model: ModelVersion, digits_data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour = publish_tiny("tiny-colour", labels=open_dataset(digits_data).labels, channels=3)
    other = publish_tiny("tiny-other", labels=("dog", "3"))
    out = tmp_path / "report"
    wrong = {
        "there is no model 'nobody'": ["nobody"],
        "no prepared data set here": [model.ref, "--data", str(tmp_path / "none")],
        "prepare the data with channels: 3": [colour.ref],
        "the model makes 'dog'": [other.ref],
        "samples = 5": [model.ref, "--samples", "5"],
        "choose at most": [model.ref, "--set", "prdc_samples=4000"],
        "there is no such file": [model.ref, "--inception-weights", "none.pth"],
    }
    for reason, options in wrong.items():
        data = [] if "--data" in options else ["--data", digits_data]
        assert exit_code(app, ["evaluate", *options, *data, "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert reason in said
        assert len(said.strip().splitlines()) == 1, said
        assert not out.exists()


def test_classes_that_are_left_out_are_said(digits_data: str, tmp_path: Path) -> None:
    labels = open_dataset(digits_data).labels
    config = tiny_config(labels=labels[:-1]).model_copy(update={"untrained": labels[:1]})
    version = ModelStore().publish("tiny-untrained", config, tiny_tensors(config))
    told: list[str] = []
    found = run(spec(version, digits_data, tmp_path, publish=False), notice=told.append)
    reasons = {labels[0]: "no training pictures", labels[-1]: "the model does not know it"}
    assert found["left_out"] == reasons
    names = ", ".join(f"{name} ({why})" for name, why in reasons.items())
    assert told == [
        f"no samples are made of {names}; real pictures of all classes are compared with"
    ]


def test_no_class_is_left_out_of_a_model_of_all(alone: Json) -> None:
    assert alone["left_out"] == {}
