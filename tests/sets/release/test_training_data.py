from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aigc.data.dataset import open_dataset
from aigc.errors import DataError, SpecError
from aigc.job.plan import Job
from aigc.output import commit
from aigc.sets.release.model import ModelFacts, read_model
from aigc.sets.release.training_data import TrainingData, find_training_data
from tests.sets.release.conftest import Shop, TrainedMaker


def find(job: Job, model: ModelFacts, given: str | None = None, out: str = "") -> TrainingData:
    return find_training_data(
        out, job, (commit.read_manifest(out) if out else None) or {}, model, given
    )


@pytest.fixture
def job(shop: Shop) -> Job:
    return commit.read_job(shop.out)


def test_the_card_says_where_it_lies(shop: Shop, job: Job) -> None:
    model = read_model(job)
    assert model.problem == ""
    assert model.metrics["kid"] == 0.02
    found = find(job, model)
    assert found.dataset is not None
    assert found.dataset.digest == model.data_digest == shop.dataset.digest


def test_evaluation_and_gates_say_it_too(shop: Shop, job: Job) -> None:
    model = read_model(job)
    metrics = {"evaluation": {"data": {"uri": shop.data}}}
    told = ModelFacts(model.version, "", metrics, "")
    assert find(job, told).dataset is not None
    gate = {"memorisation": {"data": shop.data}}
    gated = job.model_copy(update={"gates": type(job.gates).model_validate(gate)})
    assert find(gated, ModelFacts(model.version)).dataset is not None


def test_data_that_is_gone_is_one_line(trained: TrainedMaker, shop: Shop, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(shop.data, moved)
    maker = TrainedMaker(str(moved), "tiny-moved")
    job = maker.start(str(tmp_path / "set"))
    shutil.rmtree(moved)
    found = find(job, read_model(job))
    assert found.dataset is None
    assert f"{moved}: no prepared data set here" in found.problem
    assert found.problem.endswith("name its place by --data")
    assert "\n" not in found.problem
    elsewhere = find(job, read_model(job), shop.data)
    assert elsewhere.dataset is not None


def test_other_data_is_not_taken_for_it(shop: Shop, job: Job, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(shop.data, other)
    marker = (other / "dataset.json").read_text()
    (other / "dataset.json").write_text(marker.replace(shop.dataset.digest, "0" * 64))
    assert open_dataset(str(other)).digest == "0" * 64
    with pytest.raises(SpecError, match=r"data = .*holds data with digest 000000000000"):
        find(job, read_model(job), str(other))
    with pytest.raises(DataError, match="no prepared data set here"):
        find(job, read_model(job), str(tmp_path))
    model = read_model(job)
    card = f"```yaml\ndata: {other}\n```\n```yaml\n[\n```\n"
    found = find(job, ModelFacts(model.version, "", {}, card))
    assert "holds other data now" in found.problem


def test_models_that_do_not_say_it(sets, tmp_path: Path) -> None:
    job = sets.start(str(tmp_path / "set"))
    found = find(job, read_model(job))
    assert found.problem.startswith("the model does not say what it was trained on")
    lost = find(job.model_copy(update={"model_uri": str(tmp_path / "gone")}),
                              ModelFacts(problem="the model was not found: x"))  # fmt: skip
    assert lost.problem == "training data unknown, because the model was not found: x"


def test_a_model_that_is_gone_or_another_one_is_one_line(job: Job, tmp_path: Path) -> None:
    gone = read_model(job.model_copy(update={"model_uri": str(tmp_path)}))
    assert gone.version is None
    assert gone.problem.startswith("the model was not found: no model in ")
    assert gone.data_digest == ""
    other = read_model(job.model_copy(update={"model_digest": "0" * 64}))
    assert "holds another model now" in other.problem


def test_rights_are_known_when_the_data_is_gone(shop: Shop, job: Job, tmp_path: Path) -> None:
    said = {"source": "Shop", "licence": "MIT", "licences": {"MIT": 3}}
    (tmp_path / "attribution.csv").write_text("licence,creator,images\nMIT,Ada,3\ncut")
    unknown = ModelFacts(problem="the model was not found: x")
    found = find_training_data(str(tmp_path), job, {"training_data": said}, unknown)
    assert (found.dataset, found.said) == (None, said)
    assert found.credits == "licence,creator,images\nMIT,Ada,3\n"
    assert find_training_data(str(tmp_path), job, {}, unknown).credits == ""


def test_the_spec_that_a_model_keeps_says_it(shop: Shop, job: Job) -> None:
    model = read_model(job)
    told = ModelFacts(model.version, train_spec=f"data: {shop.data}\nout: run\n")
    assert find(job, told).dataset is not None
