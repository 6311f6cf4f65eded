from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from aigc.bench import recipes, train
from aigc.data.dataset import open_dataset
from aigc.errors import DataError, SpecError
from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny
from tests.training.helpers import tiny_spec


@pytest.mark.integration
def test_the_bench_prints_what_scripts_read(tmp_path) -> None:
    model = publish_tiny("tiny-bench").ref
    command = [sys.executable, "-m", "aigc", "bench", "generate", model, "--items", "3000"]
    command += ["--rounds", "1", "--no-ray-data", "--json"]
    one_cpu = min(os.sched_getaffinity(0))
    done = subprocess.run(
        ["taskset", "-c", str(one_cpu), *command],
        env=os.environ | {"AIGC_STORE": ModelStore().uri},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = ["roofline", "generate", "generate_wall"]
    assert all(found[f"{name}_items_per_s"] > 0 for name in names)
    assert found["workers"] == 1, "as many as there is room for, not as the machine has cores"
    assert found["startup_s"] > 0
    assert found["peak_rss_bytes"] > 50 * 2**20
    assert len(found["rounds"]) == 1
    ratio = found["generate_items_per_s"] / found["roofline_items_per_s"]
    assert found["ratios"]["generate_to_roofline"] == pytest.approx(ratio)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_training_takes_turns_with_a_bare_loop(digits_data: str) -> None:
    command = [sys.executable, "-m", "aigc", "bench", "train", "--data", digits_data, "--json"]
    command += ["--preset", "smoke", "--steps", "20", "--rounds", "1", "--set", "log_every=10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["workers"], found["batch_size"], len(found["rounds"])) == (1, 32, 1)
    for name in ("train", "loop", "bare"):
        assert found[f"{name}_step_ms"] > 0
        for each in found["rounds"]:
            images_per_ms = each[f"{name}_images_per_s"] / 1000
            assert images_per_ms * each[f"{name}_step_ms"] == pytest.approx(32)
            assert 0.01 < each[f"{name}_first_steps_s"] < each[f"{name}_wall_s"]
    ratio = found["train_step_ms"] / found["bare_step_ms"]
    assert found["ratios"]["train_to_bare"] == pytest.approx(ratio)


@pytest.mark.faults
def test_two_training_processes_are_set_beside_torchrun(digits_data: str) -> None:
    spec = tiny_spec(digits_data, "unused", log_every=5, class_balance=0.5)
    notices: list[str] = []
    found = train.run(
        train.TrainBench(spec, steps=10, rounds=1, workers=2, ray=False), notices.append
    )
    assert (found["workers"], found["batch_size"], len(found["rounds"])) == (2, 16, 1)
    for name in ("loop", "bare"):
        each = found["rounds"][0]
        images_per_ms = each[f"{name}_images_per_s"] / 1000
        assert images_per_ms * each[f"{name}_step_ms"] == pytest.approx(16)
        assert 0.01 < each[f"{name}_first_steps_s"] < each[f"{name}_wall_s"]
    ratio = found["loop_step_ms"] / found["bare_step_ms"]
    assert found["ratios"]["loop_to_bare"] == pytest.approx(ratio)
    assert {"loop_to_bare", "loop_to_bare_cpu"} == found["ratios"].keys()
    assert "train_step_ms" not in found
    assert notices[0] == "measured without class_balance, which the bare loop does not have"
    assert notices[1].startswith("round 1: loop ")


def test_what_cannot_be_compared_is_refused() -> None:
    vae = tiny_spec("data", "out", model={"family": "vae"})
    with pytest.raises(SpecError, match=r"model\.family vae: bench train compares GANs only"):
        train.run(train.TrainBench(vae))
    with pytest.raises(SpecError, match="batch_size 16 cannot be divided by 3 workers"):
        train.run(train.TrainBench(tiny_spec("data", "out"), workers=3))


def test_the_first_logged_steps_are_not_measured() -> None:
    assert train._per_step([9.0, 11.0, 14.0], log_every=5) == pytest.approx(0.5)


@pytest.mark.faults
@pytest.mark.timeout(280)
def test_recipes_are_compared_with_each_other_and_with_pictures(
    digits_data: str, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    pixels, _ = open_dataset(digits_data).read("test", 100)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture[..., 0]).save(others / f"{number}.png")
    (others / "readme.txt").write_text("no picture")
    command = [sys.executable, "-m", "aigc", "bench", "recipes", digits_data, "--json"]
    command += ["--recipe", "smoke", "--seconds", "1", "--seeds", "2", "--samples", "200"]
    command += ["--pictures", f"themselves={others}", "--out", str(tmp_path / "bench")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=270, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    smoke, themselves = found["summary"]["smoke"], found["summary"]["themselves"]
    assert (smoke["runs"], themselves["runs"]) == (2, 1)
    assert smoke["fd"][1] <= smoke["fd"][0] <= smoke["fd"][2]
    assert [run["seed"] for run in found["runs"]["smoke"]] == [0, 1]
    assert all(run["train_seconds"] >= 1 for run in found["runs"]["smoke"])
    assert themselves["recall"][0] > 0.9 > smoke["recall"][0]
    assert json.loads((tmp_path / "bench" / "recipes.json").read_text()) == found
    assert not (tmp_path / "aigc-store").exists()


def test_too_few_pictures_of_another_program_are_refused(digits_data: str, tmp_path: Path) -> None:
    Image.new("L", (16, 16)).save(tmp_path / "one.png")
    bench = recipes.RecipesBench(
        digits_data, {}, str(tmp_path / "out"), pictures={"x": [str(tmp_path)]}
    )
    with pytest.raises(DataError, match=r"1 pictures; at least 100 can be compared"):
        recipes.run(bench)
    assert not (tmp_path / "out").exists()
