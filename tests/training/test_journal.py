"""What a run sends to S3 while it goes on."""

from __future__ import annotations

import itertools
import json
import types
from pathlib import Path

import numpy as np
import pytest

from aigc import storage
from aigc.modalities.image import encode
from aigc.storage import _s3_client
from aigc.training import journal as journals
from aigc.training.journal import Journal

pytestmark = pytest.mark.integration


@pytest.fixture
def sent() -> list[tuple[str, int]]:
    """Key and bytes of each object that is written."""
    found: list[tuple[str, int]] = []

    def noted(params: dict, **_: object) -> None:
        found.append((params["Key"], len(params["Body"])))

    events = _s3_client.client().meta.events
    events.register("provide-client-params.s3.PutObject", noted)
    return found


def steps(out: str) -> list[int]:
    lines = storage.read_bytes(storage.join(out, "metrics.jsonl")).splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_a_flush_sends_no_more_as_a_run_grows(s3_uri: str, sent: list[tuple[str, int]]) -> None:
    journal = Journal(s3_uri, 0)
    for step in range(1, 2001):
        journal.log({"step": step, "loss": step / 7})
        if step % 100 == 0:
            journal.flush()
    metrics = [size for key, size in sent if "metrics" in key]
    assert len(metrics) <= 21
    assert max(metrics) < 20_000
    journal.close()
    assert steps(s3_uri) == list(range(1, 2001))
    assert not storage.names(f"{s3_uri}/metrics")


def test_a_killed_run_goes_on_with_its_lines(s3_uri: str) -> None:
    """Also where it repeats steps, and was finished once before."""
    first = Journal(s3_uri, 0)
    for step in range(1, 301):
        first.log({"step": step, "loss": 1.0})
    first.close()
    killed = Journal(s3_uri, 300)
    for step in range(301, 501):
        killed.log({"step": step, "loss": 2.0})
    killed.flush()
    again = Journal(s3_uri, 400)
    for step in range(401, 451):
        again.log({"step": step, "loss": 3.0})
    again.close()
    assert steps(s3_uri) == list(range(1, 451))


def test_tensorboard_files_are_sent_until_they_are_long_and_read_as_one(
    s3_uri: str, sent: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(journals, "_BOARD_BYTES", 30_000)
    seconds = itertools.count(1_800_000_000)  # names are read in the order of their time
    clock = types.SimpleNamespace(time=lambda: next(seconds))
    monkeypatch.setattr(event_file_writer, "time", clock)
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), np.uint8)
    sheet = encode(noise, "png")[0]
    journal = Journal(s3_uri, 0)
    for step in range(1, 31):
        journal.log({"step": step, "loss": 1.0})
        journal.sheet(step, sheet)
        journal.flush()
    journal.close()
    sizes = [size for key, size in sent if "tensorboard" in key]
    assert max(sizes) < 60_000
    names = sorted(storage.names(f"{s3_uri}/tensorboard"))
    assert len(names) > 2
    for name in names:
        (tmp_path / name).write_bytes(storage.read_bytes(f"{s3_uri}/tensorboard/{name}"))
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == list(range(1, 31))
