"""From licences of training data to the cards of a model and its sets, and back: opt-out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.data.dataset import open_dataset
from aigc.distributed.generate import run as generate
from aigc.distributed.prepare import run as prepare
from aigc.execution.publish import publish
from aigc.specs import TrainSpec, build
from aigc.store import ModelStore, ModelVersion
from aigc.training import train
from tests.command_line import aigc
from tests.data.pictures import encoded, noise
from tests.data.pictures import spec as prepared
from tests.integration.sets import spec
from tests.training.helpers import tiny_spec

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """60 grey pictures of two creators, under two licences."""
    folder = tmp_path_factory.mktemp("rights")
    lines = ["file_name,licence,creator"]
    for number in range(60):
        path = folder / "raw" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noise(number)))
        said = "CC-BY-4.0,Ann" if number % 3 else "CC0-1.0,Bo"
        lines.append(f"{path.parent.name}/{path.name},{said}")
    (folder / "raw" / "metadata.csv").write_text("\n".join(lines) + "\n")
    rights = {"require": ["licence", "creator"]}
    prepare(prepared(folder / "raw", folder / "data", channels=1, rights=rights))
    return str(folder / "data")


@pytest.fixture(scope="module")
def model(data: str, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    """Trained for some steps in this process."""
    spec = tiny_spec(data, tmp_path_factory.mktemp("run"), name="rights", publish=True)
    return ModelStore().resolve(publish(spec, train(spec))["model"])


def test_cards_of_models_and_sets_list_licences(
    data: str, model: ModelVersion, tmp_path: Path
) -> None:
    card = model.read("README.md").decode()
    assert "Licences of its items: CC-BY-4.0 (40), CC0-1.0 (20)" in card
    assert "Creators: 2, named with their licences in `attribution.csv`" in card
    found = json.loads(model.read("training_data.json"))
    assert found["digest"] == open_dataset(data).digest
    assert found["rights"] == {"require": ["licence", "creator"], "allow_licences": []}
    made = generate(spec(model.ref, tmp_path / "one", count=20))
    assert made["training_data"] == found
    assert "CC-BY-4.0 (40)" in (tmp_path / "one" / "README.md").read_text()
    credits = Path(data, "attribution.csv").read_bytes()
    assert (tmp_path / "one" / "attribution.csv").read_bytes() == credits


def test_an_opt_out_lists_what_was_made(
    data: str, model: ModelVersion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(spec(model.ref, tmp_path / "sets" / "one", count=20))
    gone, new = open_dataset(data).texts("train", "id")[0], tmp_path / "new"
    (tmp_path / "ids.txt").write_text(f"{gone}\n\n")
    words = ["data", "forget", data, "--ids-file", str(tmp_path / "ids.txt"), "--out", str(new)]
    code, out, err = aigc(capsys, *words, "--sets", str(tmp_path / "sets"))
    assert code == 0, err
    assert out.splitlines() == [
        f"model {model.ref}",
        f"set {tmp_path}/sets/one: 20 items by {model.ref}",
        f"aigc train {new}/retrain-rights.yaml",
    ]
    assert "1 removed" in err
    code, out, _ = aigc(capsys, "data", "show", str(new))
    assert code == 0
    assert f"1 of {data} (forgotten.json)" in " ".join(out.split())
    code, out, _ = aigc(capsys, *words, "--json")
    assert code == 0
    assert json.loads(out)["models"] == [model.ref]
    again = build(TrainSpec, json.loads(out)["retrain"][0])
    assert (again.data, again.steps) == (str(new), 12)


def test_a_model_is_trained_again_without_them(
    ray_session: None,
    data: str,
    model: ModelVersion,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone, new = open_dataset(data).texts("train", "id")[0], tmp_path / "new"
    words = ["data", "forget", data, "--ids", str(gone), "--out", str(new), "--retrain"]
    code, out, err = aigc(capsys, *words)
    assert code == 0, err
    again = ModelStore().resolve(out.splitlines()[-1].removeprefix("model "))
    assert (again.name, again.version) == ("rights", "v2")
    assert again.config.data_digest == open_dataset(str(new)).digest
    forgotten = json.loads(again.read("training_data.json"))["forgotten"]
    assert (forgotten["from"], forgotten["items"]) == (open_dataset(data).digest, 1)


def test_wrong_options_are_one_line(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["--out", str(tmp_path / "n")], "ids: none are given"),
        (["--out", str(tmp_path / "n"), "--ids-file", "/nowhere"], "--ids-file /nowhere: No such"),
        (["--out", str(tmp_path / "n"), "--ids", "x.png"], "ids: x.png: not in"),
    ):
        code, _, err = aigc(capsys, "data", "forget", data, *words)
        assert code == 2
        assert said in err
        assert "Traceback" not in err
