"""Nothing that a command started outlives it, however it ends, and no folder of ours stays."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aigc.specs import dump
from tests.models_for_tests import publish_tiny
from tests.processes import Command
from tests.training.helpers import tiny_spec
from tests.training.test_parallel import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280)]

MakeCommand = Callable[..., Command]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[MakeCommand]:
    folder = Path(tempfile.mkdtemp(prefix="aigc-p-"))  # Ray's sockets need a short path
    with (tmp_path / "log").open("wb") as log:
        yield lambda *words: Command(list(words), folder, log)
    shutil.rmtree(folder, ignore_errors=True)


def train_words(data: str, folder: Path) -> list[str]:
    limits = {"steps": None, "max_seconds": 600, "placement": {"workers": 1}}
    spec = tiny_spec(data, folder / "run", **limits)
    (folder / "spec.yaml").write_text(dump(spec))
    return ["train", str(folder / "spec.yaml")]


TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
WITHIN_S = 60.0
"""When all is gone after the command's own end, on a busy machine too. Nothing can react to
SIGKILL: what the command started sees it gone, and ends a few seconds later."""


@pytest.mark.parametrize(
    ("process", "number"),
    [
        pytest.param("raylet", TERM, marks=pytest.mark.faults),
        ("ray::TrainController", KILL),
        pytest.param("ray::RayTrainWorker", INT, marks=pytest.mark.faults),
        pytest.param("ray::RayTrainWorker", TERM, marks=pytest.mark.faults),
        pytest.param("ray::RayTrainWorker", KILL, marks=pytest.mark.faults),
    ],
)
def test_a_training_that_is_ended(
    command: MakeCommand,
    digits_data: str,
    tmp_path: Path,
    process: str,
    number: signal.Signals,
) -> None:
    """While Ray, its controller or the workers start."""
    with command(*train_words(digits_data, tmp_path)) as it:
        it.wait_for(lambda: it.has(process))
        it.process.send_signal(number)
        assert it.leaves(WITHIN_S) == []


@pytest.mark.faults
@pytest.mark.parametrize("number", [TERM, KILL])
def test_an_endpoint(command: MakeCommand, number: signal.Signals) -> None:
    publish_tiny("tiny-processes")
    with command("serve", "tiny-processes", "--port", str(free_port())) as it:
        it.wait_for(lambda: it.said("Ctrl-C stops it"))
        settings = it.environment_of("raylet")
        it.process.send_signal(number)
        assert it.leaves(WITHIN_S) == []
    assert not Path(settings["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"]).parent.exists()


@pytest.mark.parametrize("number", [pytest.param(TERM, marks=pytest.mark.faults), KILL])
def test_a_generation(command: MakeCommand, tmp_path: Path, number: signal.Signals) -> None:
    publish_tiny("tiny-processes")
    out = tmp_path / "set"
    with command("generate", "tiny-processes", "--out", str(out), "--count", "100000000") as it:
        it.wait_for(lambda: list(out.glob("data/*")))
        it.process.send_signal(number)
        assert it.leaves(WITHIN_S) == []
