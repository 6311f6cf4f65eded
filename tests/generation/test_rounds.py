from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aigc import storage
from aigc.generation import round_files, rounds
from aigc.generation.duplicates import Part, Signatures, find
from aigc.specs import Gates

GATES = Gates(duplicates={"near": False})


@pytest.fixture
def staged(tmp_path) -> tuple[str, list[Signatures]]:
    """A set whose first round is staged in twelve shards of fifty items, five pictures in all."""
    out, shards = str(tmp_path / "set"), []
    for number in range(12):
        order = np.arange(number * 50, number * 50 + 50, dtype=np.int64)
        content = np.repeat((order % 5).astype(np.uint8)[:, None], 16, axis=1)
        thumbnail = np.zeros((50, 64), np.uint8)
        shard = Signatures(order, np.zeros(50, np.uint64), thumbnail, content, np.zeros(50, bool))
        where = round_files.folder(out, 0)
        storage.write_bytes(storage.join(where, f"{number}.signatures"), shard.to_bytes())
        record = json.dumps({"signatures": f"{number}.signatures"}).encode()
        storage.write_bytes(storage.join(where, f"{number:05d}.json"), record)
        shards.append(shard)
    return out, shards


def test_judging_says_that_it_is_alive_shard_by_shard(staged) -> None:
    out, shards = staged
    item_generator: Any = SimpleNamespace(job=SimpleNamespace(gates=GATES))
    heard: list[int] = []
    assert GATES.duplicates is not None
    found = rounds.FindDuplicates(Part(0, 1), 0)(item_generator, out, heard.append)
    assert heard == [50] * 12
    assert found.tolist() == find(Part(0, 1), shards, GATES.duplicates).tolist()
    assert found.tolist() == list(range(5, 600))


def test_signatures_are_read_side_by_side_but_not_all_at_once(staged, monkeypatch) -> None:
    out, shards = staged
    reading, most, lock, read = 0, 0, threading.Lock(), storage.read_bytes
    two = threading.Event()

    def together(uri: str) -> bytes:
        nonlocal reading, most
        if not uri.startswith(out):  # a service of another test looks at its store
            return read(uri)
        with lock:
            reading += 1
            most = max(most, reading)
        if reading > 1:
            two.set()
        two.wait(30)  # the first waits for a second, which comes if they are read side by side
        with lock:
            reading -= 1
        return read(uri)

    monkeypatch.setattr(storage, "read_bytes", together)
    found = list(round_files.signatures_until(out, 0))
    assert [one.order.tolist() for one in found] == [one.order.tolist() for one in shards]
    assert 1 < most <= round_files._READERS


def test_what_stayed_in_an_earlier_round_is_settled(staged) -> None:
    out, _ = staged
    round_files.write_refused(out, 0, np.arange(5, 600, dtype=np.int64))
    found = list(round_files.signatures_until(out, 1))
    assert [one.order.tolist() for one in found if len(one)] == [[0, 1, 2, 3, 4]]
    assert all(one.settled.all() for one in found)
