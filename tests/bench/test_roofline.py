from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pyarrow.parquet as pq
import pytest
import torch

from aigc.bench import roofline
from aigc.bench.roofline import RooflineLoad, encoders
from tests.models_for_tests import tiny_config, tiny_tensors

LOAD = RooflineLoad(items=100, processes=2, threads=3, batch=16, precision="fp32", device="cpu")


def work(folder: Path) -> tuple[roofline.StageTimes, int]:
    """One process's part, done in this one."""
    config, results = tiny_config(), SimpleQueue[roofline.StageTimes]()
    torch.save(tiny_tensors(config), folder / "weights.pt")
    load, threads = replace(LOAD, threads=1), torch.get_num_threads()
    try:
        roofline._work(
            config, folder / "weights.pt", load, folder, 1, threading.Barrier(1), results
        )
    finally:
        torch.set_num_threads(threads)
    return results.get(), pq.read_table(folder / "1.parquet").num_rows


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_makes_its_share_however_many_threads_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(roofline, "encoders", lambda load: threads)
    stages, rows = work(tmp_path)
    assert rows == 64
    assert min(stages.forward_s, stages.encode_s, stages.write_s) > 0


def test_it_encodes_as_generate_does() -> None:
    assert encoders(LOAD) == 1
    assert [encoders(replace(LOAD, device="cuda", threads=n)) for n in (1, 3)] == [2, 3]


def test_each_process_has_a_gpu_of_its_own(tmp_path: Path, monkeypatch) -> None:
    taken: list[int] = []

    def take(device: int) -> None:
        taken.append(device)
        raise InterruptedError

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", take)
    for at in range(4):
        with pytest.raises(InterruptedError):
            roofline._work(
                tiny_config(), tmp_path, replace(LOAD, device="cuda"), tmp_path, at, None, None
            )
    assert taken == [0, 1, 0, 1]
