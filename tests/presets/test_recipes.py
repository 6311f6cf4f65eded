from __future__ import annotations

from pathlib import Path

import pytest

from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.commands.train import resolve
from aigc.errors import DataError, SpecError
from aigc.presets import PRESETS, RULES, summary
from aigc.specs import TrainSpec, build
from aigc.specs.train import PRESET_NAMES
from tests.models_for_tests import settings


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_a_complete_spec_and_says_what_it_is(preset: str) -> None:
    spec = PRESETS[preset]("name", "data", "out")
    assert build(TrainSpec, spec.model_dump(mode="json")) == spec
    assert summary(preset).endswith((".", "?"))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_limit_given_is_the_only_one(preset: str) -> None:
    given = {"name": "n", "data": "d"}
    assert resolve(None, preset, given | {"steps": 7}).max_seconds is None
    assert resolve(None, preset, given | {"max_seconds": 7}).steps is None
    both = resolve(None, preset, given | {"steps": 7, "max_seconds": 9})
    assert (both.steps, both.max_seconds) == (7, 9)


def test_settings_reach_into_the_model_and_leave_the_placement_open() -> None:
    values = {"name": "n", "data": "d", "model.width": 32, "placement.workers": 2}
    spec = resolve(None, "relativistic", values)
    assert settings(spec).width == 32
    assert spec.out == "runs/n"
    assert spec.placement.workers == 2
    assert "cpus_per_worker" not in spec.placement.model_fields_set


@pytest.mark.parametrize(
    ("preset", "values", "message"),
    [
        (
            "best",
            {"name": "n", "data": "d"},
            "preset = 'best': input should be 'adaptive', 'adaptive-gan', 'relativistic'",
        ),
        (None, {"data": "d"}, "--name is missing"),
        (None, {"name": "n"}, "--data is missing"),
        ("vae", {"name": "n", "data": "d", "colour": 1}, "unknown field colour"),
        ("vae", {"name": "n", "data": "d", "lr": -1}, "lr = -1"),
        ("vae", {"name": "n", "data": "d", "batch_size": 63, "accumulate": 2}, "choose a multiple"),
        (None, {"name": "n", "data": "d"}, "no prepared data set here"),
        ("dcgan", {"name": "n", "data": "d", "model.r1_gamma": 1}, "gradient penalties"),
    ],
)
def test_what_is_wrong_is_said(preset: str | None, values: dict[str, object], message: str) -> None:
    with pytest.raises((SpecError, DataError)) as caught:
        resolve(None, preset, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("preset", list(RULES))
def test_a_chosen_batch_is_shared_out_among_the_workers(digits_data: str, preset: str) -> None:
    values = {"name": "n", "data": digits_data, "placement.workers": 3}
    assert resolve(None, preset, values).batch_size % 3 == 0
    assert resolve(None, preset, values | {"accumulate": 5}).batch_size % 15 == 0
    with pytest.raises(SpecError, match="batch_size 16 cannot be divided by workers 3"):
        resolve(None, preset, values | {"batch_size": 16})


def test_too_few_pictures_are_refused_before_anything_is_chosen(
    digits_data: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("aigc.training.runs.MIN_IMAGES", 10_000)
    assert exit_code(app, ["train", "--data", digits_data, "--name", "n"]) == 2
    line = capsys.readouterr().err
    assert "training needs at least 10000" in line
    assert line.count("\n") == 1


def test_a_file_may_name_a_preset_and_change_its_fields(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(
        "preset: vae\nname: n\ndata: d\nout: runs/n\nmodel: {width: 8}\nmax_seconds: 9\n"
    )
    spec = resolve(str(file), None, {"max_seconds": 7})
    recipe = PRESETS["vae"]("n", "d", "runs/n").model_dump(exclude={"placement"})
    recipe["model"]["width"], recipe["max_seconds"] = 8, 7
    assert spec.model_dump(exclude={"placement"}) == recipe | {"preset": "vae"}


def test_every_preset_can_stand_in_a_file() -> None:
    assert set(PRESET_NAMES) == {*RULES, *PRESETS}
    assert len(PRESET_NAMES) == len(RULES) + len(PRESETS)


def test_a_file_and_a_preset_exclude_each_other() -> None:
    with pytest.raises(SpecError, match="not both"):
        resolve("train.yaml", "vae", {})
