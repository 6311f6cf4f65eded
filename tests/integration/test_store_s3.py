"""The store in a real bucket: the same promises, the same races."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from aigc.errors import StorageError, StoreError
from aigc.store import ModelStore
from tests.store.test_models import CONFIG, publish, weights

pytestmark = pytest.mark.integration


def test_a_bucket_holds_what_a_disk_holds(s3_uri: str, tmp_path: Path) -> None:
    remote, local = ModelStore(f"{s3_uri}/store"), ModelStore(str(tmp_path))
    there, here = publish(remote), publish(local)
    assert there.digest == here.digest
    assert remote.resolve("fashion") == there
    assert remote.resolve(there.uri) == there
    assert torch.equal(remote.load(there)["sampler.a"], weights()["sampler.a"])
    assert remote.names() == ["fashion"]
    with pytest.raises(StoreError, match="there is: fashion"):
        remote.resolve("fashoin")


def test_racing_publishers_and_promotions(s3_uri: str) -> None:
    store = ModelStore(s3_uri)

    def publish_and_promote(value: int) -> tuple[str, int]:
        version = store.publish("fashion", CONFIG, weights(value), metrics={"value": value})
        store.promote("fashion", version.version)
        return version.version, value

    with ThreadPoolExecutor(8) as pool:
        made = dict(pool.map(publish_and_promote, range(8)))
    assert made.keys() == {f"v{number}" for number in range(1, 9)}
    for version in store.versions("fashion"):
        value = made[version.version]
        assert json.loads(store.read_extra(version, "metrics.json") or b"") == {"value": value}
        assert torch.equal(store.load(version)["sampler.a"], weights(value)["sampler.a"])
    moves = store.history("fashion")
    assert sorted(move.version for move in moves) == sorted(made)
    assert store.resolve("fashion@production").version == moves[-1].version
    assert store.rollback("fashion").version == moves[-2].version


def test_truncated_weights_in_a_bucket(s3_uri: str) -> None:
    from aigc import storage

    store = ModelStore(s3_uri)
    version = publish(store)
    uri = f"{version.uri}/model.safetensors"
    storage.write_bytes(uri, storage.read_bytes(uri)[:-5])
    with pytest.raises(StoreError, match=r"model\.safetensors: damaged"):
        store.load(version)


def test_a_missing_bucket(s3_uri: str) -> None:
    with pytest.raises(StorageError, match="there is no bucket"):
        publish(ModelStore(s3_uri + "-typo"))
