"""Whatever a user gets wrong: exit code 2, one line that names it, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.output import commit
from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny
from tests.sets.conftest import SetMaker

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> Run:
    """Runs `aigc` in an empty folder; gives exit code and last line on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str]:
        code = exit_code(app, [str(argument) for argument in arguments])
        errors = capsys.readouterr().err.strip().splitlines()
        assert not any("Traceback" in line for line in errors)
        return code, errors[-1] if errors else ""

    return call


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-cli").ref


def images(folder: Path, count: int, corrupt: int = 0) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        pixels = generator.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    for number in range(corrupt):
        path = folder / f"{number:03d}.png"
        path.write_bytes(path.read_bytes()[:60])
    return folder


GENERATE = [
    (["--count", 0], "count = 0"),
    (["--count", -3], "count = -3"),
    (["--count", "many"], "--count"),
    (["--count", 5, "--set", "colours=red"], "unknown field colours"),
    (["--count", 5, "--labels", "zeroo"], "no 'zeroo'; did you mean 'zero'?"),
    (["--count", 5, "--labels", "zero=2,one"], "give every label a share"),
    (["--count", 5, "--labels", "zero=inf,one=1"], "labels.zero = inf"),
    (["--count", 5, "--labels", "zero=nan,one=1"], "labels.zero = nan"),
    (["--count", 5, "--labels", "zero=0,one=1"], "labels.zero = 0"),
    (["--count", 5, "--labels", "zero=1,zero=2"], "zero has two shares; give it one"),
    (["--count", 5, "--codec", "tiff"], "codec = 'tiff'"),
    (["--count", 5, "--set", "out=2026-02-30"], "day is out of range for month; put it in quotes"),
    (["--count", 5, "--model", "other"], "--model other: tiny-cli@v1 is given before it"),
    (["--count", 5, "--truncation", "inf"], "truncation = inf"),
    (["--count", 2**40], "count = 1099511627776"),
    (["--count", 5, "--frobnicate"], "No such option: --frobnicate"),
    (["--count", 5, "--spec", "none.yaml"], "none.yaml: No such file"),
    (["--count", 5, "--set", "placement.cpus_per_worker=0"], "placement.cpus_per_worker = 0"),
]


@pytest.mark.parametrize(("options", "message"), GENERATE, ids=[row[1] for row in GENERATE])
def test_generate(run: Run, model: str, options, message: str) -> None:
    code, line = run("generate", model, "--out", "set", *options)
    assert code == 2
    assert message in line
    assert not Path("set").exists()


def test_two_files_of_briefs(run: Run, model: str) -> None:
    code, line = run("generate", "a.csv", "--briefs", "b.csv", "--model", model, "--out", "set")
    assert (code, "--briefs b.csv: a.csv is given before it; give one" in line) == (2, True)


PLACES = {
    "gs://b/x": "expected",
    "s3://": "expected",
    "": "expected",
    "~nosuch/x": "unknown user",
}
TAKEN = [
    "generate tiny-cli --count 3 --out AT",
    "generate tiny-cli --briefs AT --out set",
    *("append AT --to 10", "merge AT other", "merge other AT"),
    *("status AT", "verify AT", "view AT", "regenerate AT --item 1", "view other --to AT"),
    *("regenerate other --item 1 --to AT", "data prepare AT data", "data prepare raw AT"),
    *("data fetch digits AT", "data show AT", "evaluate tiny-cli --data AT"),
    *("evaluate tiny-cli --data data --out AT", "train --name x --data AT --steps 1"),
    "train --name x --data data --steps 1 --out AT",
    *("bench generate tiny-cli --out AT", "keys list --file AT", "models list --store AT"),
    *("demo --smoke --out AT", "init AT"),
]


@pytest.mark.parametrize("command", TAKEN)
def test_what_is_no_place_is_refused_by(run: Run, model: str, command: str) -> None:
    for place, message in PLACES.items():
        arguments = [part.replace("AT", place) for part in command.split()]
        code, line = run(*arguments)
        assert (code, message in line) == (2, True), (place, line)
    assert not list(Path().iterdir())


def test_a_missing_model_lists_what_there_is(run: Run, model: str) -> None:
    code, line = run("generate", "tiny-clo", "--count", 5, "--out", "set")
    assert code == 2
    assert "tiny-cli" in line
    code, line = run("generate", "tiny-cli@v99", "--count", 5, "--out", "set")
    assert code == 2
    assert "v1" in line


def test_damaged_weights_are_found_before_anything_is_made(run: Run) -> None:
    version = publish_tiny("tiny-damaged")
    weights = Path(version.uri) / "model.safetensors"
    whole = weights.read_bytes()
    for damage in (whole[:-1000], whole[:500] + b"\xff" + whole[501:], b""):
        weights.write_bytes(damage)
        code, line = run("generate", version.ref, "--count", 5, "--out", "set")
        assert code == 2
        assert "model.safetensors" in line
        assert not Path("set").exists()


def test_an_output_that_cannot_be_written(run: Run, model: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, line = run("generate", model, "--count", 5, "--out", tmp_path / "file" / "set")
    assert code == 2
    assert "is a file; choose a folder" in line


@pytest.mark.integration
def test_s3_places_and_keys(run: Run, model: str, s3_uri: str, monkeypatch) -> None:
    code, line = run("generate", model, "--count", 5, "--out", "s3://no-such-bucket/set")
    assert (code, "no bucket 'no-such-bucket'" in line) == (2, True)
    from aigc.storage import _s3_client

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
    _s3_client.client.cache_clear()
    code, line = run("generate", model, "--count", 5, "--out", f"{s3_uri}/set")
    assert (code, "S3 answered SignatureDoesNotMatch" in line) == (2, True)
    assert "wrong-and-secret" not in line


def test_a_place_that_is_no_set(run: Run, tmp_path: Path) -> None:
    for verb in ("status", "verify", "view"):
        code, line = run(verb, tmp_path)
        assert (code, "no content set here" in line) == (2, True)
    code, line = run("regenerate", tmp_path, "--item", 1)
    assert (code, "no content set here" in line) == (2, True)


def test_a_set_that_cannot_grow_as_asked_stays_whole(run: Run, tmp_path: Path) -> None:
    SetMaker().finished(str(tmp_path / "set"))
    for setting, message in (
        ("budget.max_cost=1", "max_cost needs price_per_node_hour"),
        ("placement.cpus_per_worker=1000", "a worker with 1000 CPU"),
        ("count=5", "unknown field count; the fields are: out, to, budget, audit, placement"),
    ):
        code, line = run("append", "set", "--to", 200, "--set", setting)
        assert (code, message in line) == (2, True), line
    assert commit.read_manifest("set")


def test_images_made_again_go_to_a_folder(run: Run, tmp_path: Path) -> None:
    SetMaker().finished(str(tmp_path / "set"))
    (tmp_path / "file").write_text("in the way")
    code, line = run("regenerate", "set", "--item", 1, "--to", tmp_path / "file")
    assert (code, f"{tmp_path}/file" in line) == (2, True)
    code, line = run("regenerate", "set", "--item", 1, "--to", "s3://no-such-bucket/again")
    assert code == 2
    assert not Path("s3:").exists()


def test_prepare_without_images(run: Run, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("nothing to see")
    code, line = run("data", "prepare", tmp_path / "raw", "data")
    assert code == 2
    assert "image" in line
    assert not Path("data").exists()
    code, line = run("data", "prepare", tmp_path / "nowhere", "data")
    assert code == 2
    assert "nowhere" in line


def test_three_corrupt_images_of_a_hundred_are_rejected_with_reasons(run: Run, tmp_path) -> None:
    import pyarrow.parquet as pq

    images(tmp_path / "raw" / "noise", 100, corrupt=3)
    code, line = run("data", "prepare", tmp_path / "raw", "data", "--set", "size=16")
    assert code == 0, line
    rejects = pq.read_table("data/rejects.parquet").to_pylist()
    assert len(rejects) == 3
    assert all(row["reason"] for row in rejects)


def test_too_many_rejects_stop_the_job_and_leave_nothing(run: Run, tmp_path: Path) -> None:
    images(tmp_path / "raw" / "noise", 20, corrupt=3)
    code, line = run("data", "prepare", tmp_path / "raw", "data", "--set", "size=16")
    assert code == 2
    assert "max_rejects" in line
    assert not list(tmp_path.glob("data/**/*.parquet"))


def test_training_and_evaluation_need_a_data_set(run: Run, model: str) -> None:
    code, line = run("evaluate", model, "--data", "nowhere", "--out", "report")
    assert code == 2
    assert "nowhere" in line
    settings = ["--set", "steps=1", "--set", "out=run"]
    code, line = run("train", "--name", "x", "--data", "nowhere", *settings)
    assert code == 2
    assert "nowhere" in line
    assert not Path("report").exists()
    assert not ModelStore().names().count("x")
