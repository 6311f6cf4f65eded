"""The store on a local disk: publishing, references, damage, races."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch

from aigc.errors import StorageError, StoreError
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.store import ModelStore, ModelVersion

CONFIG = ModelConfig(
    architecture=GanModel(width=4), height=16, width=16, channels=1, labels=("shoe", "bag")
)


def weights(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {"sampler.a": torch.full((2, 3), value), "sampler.b": torch.arange(4.0)}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "store"))


def publish(store: ModelStore, value: float = 1.0, name: str = "fashion") -> ModelVersion:
    return store.publish(name, CONFIG, weights(value))


def test_looking_models_up_needs_no_torch(store: ModelStore) -> None:
    """It takes two seconds to import: `aigc jobs` and `aigc models` answer without it."""
    publish(store)
    program = f"""
import sys
import aigc.distributed.submit
from aigc.store import ModelStore
assert ModelStore({store.uri!r}).resolve("fashion").ref == "fashion@v1"
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_published_comes_back(store: ModelStore) -> None:
    tensors = {"sampler.h": torch.randn(2, 2).bfloat16(), "sampler.t": torch.randn(3, 4).T}
    published = store.publish(
        "fashion", CONFIG, tensors, metrics={"fd": 12.5}, samples_png=b"png", card="Made of shoes."
    )
    found = store.resolve("fashion")
    assert found == published
    assert found.config == CONFIG
    loaded = store.load(found)
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)
    assert json.loads(store.read_extra(found, "metrics.json") or b"") == {"fd": 12.5}
    assert store.read_extra(found, "samples.png") == b"png"


def test_the_digest_can_be_checked_without_us(store: ModelStore) -> None:
    version = publish(store)
    folder = Path(version.uri)
    joined = (folder / "config.json").read_bytes() + (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(joined).hexdigest() == version.digest


def test_equal_weights_have_an_equal_digest(store: ModelStore) -> None:
    first, second, other = publish(store, 1.0), publish(store, 1.0), publish(store, 2.0)
    assert first.digest == second.digest != other.digest
    assert [first.version, second.version, other.version] == ["v1", "v2", "v3"]


def test_the_card_says_what_the_model_is(store: ModelStore) -> None:
    version = store.publish(
        "fashion", CONFIG, weights(), metrics={"fd": 12.3456}, card="Trained on 5 shoes."
    )
    card = (Path(version.uri) / "README.md").read_text(encoding="utf-8")
    for part in ("fashion v1", version.digest, "shoe, bag", "12.35", "Trained on 5 shoes."):
        assert part in card
    assert "AI-generated" in card
    assert "Intended use" in card


def test_references(store: ModelStore) -> None:
    first, second = publish(store, 1.0), publish(store, 2.0)
    store.promote("fashion", "v1")
    for ref, expected in {
        "fashion": second,
        "fashion@latest": second,
        "fashion@v1": first,
        "fashion@production": first,
        first.uri: first,
        f"file://{first.uri}": first,
    }.items():
        assert store.resolve(ref).digest == expected.digest, ref


def test_versions_sort_by_number(store: ModelStore) -> None:
    for value in range(11):
        publish(store, value)
    assert [v.version for v in store.versions("fashion")][-3:] == ["v9", "v10", "v11"]
    assert store.resolve("fashion").version == "v11"


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("fashon", "no model 'fashon' in .*; there is: fashion, other"),
        ("fashion@v7", "no version or alias 'v7' of fashion; there is: v1, production, latest"),
        ("fashion@prod", "there is: production, "),
        ("./nowhere", "no model in .*nowhere"),
        ("../fashion", "no model in"),
    ],
)
def test_what_is_missing_is_said_with_what_there_is(store: ModelStore, ref: str, said: str) -> None:
    publish(store)
    publish(store, name="other")
    store.promote("fashion", "v1")
    with pytest.raises(StoreError, match=said):
        store.resolve(ref)


def test_an_empty_store_says_so(store: ModelStore) -> None:
    with pytest.raises(StoreError, match="nothing was published"):
        store.resolve("fashion")
    assert store.names() == []
    assert store.versions("fashion") == []


@pytest.mark.parametrize("name", ["", "Fashion", "a/b", "../a", ".hidden", "_aliases", "x" * 64])
def test_a_name_that_is_none_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(StoreError, match="model name"):
        publish(store, name=name)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", [b"", b"\x80\x04 not what it was"])
def test_damage_is_one_clear_line(store: ModelStore, file: str, damage: bytes) -> None:
    version = publish(store)
    (Path(version.uri) / file).write_bytes(damage)
    with pytest.raises(StoreError, match=f"{file}: damaged") as caught:
        store.load(store.resolve("fashion"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(store: ModelStore) -> None:
    version = publish(store)
    (Path(version.uri) / "model.safetensors").unlink()
    with pytest.raises(StoreError, match="incomplete"):
        store.load(version)


def test_a_damaged_marker_is_one_clear_line(store: ModelStore) -> None:
    (Path(publish(store).uri) / "version.json").write_text('{"name": "fash')
    with pytest.raises(StoreError, match=r"version\.json: damaged"):
        store.resolve("fashion")


def test_files_swapped_between_versions_are_noticed(store: ModelStore) -> None:
    first, second = publish(store, 1.0), publish(store, 2.0)
    foreign = (Path(second.uri) / "model.safetensors").read_bytes()
    (Path(first.uri) / "model.safetensors").write_bytes(foreign)
    with pytest.raises(StoreError, match="damaged"):
        store.load(first)


def test_an_unpublished_version_is_invisible_and_its_number_spent(store: ModelStore) -> None:
    first = publish(store)
    second = publish(store)
    (Path(second.uri) / "version.json").unlink()  # as if its publisher had died before the end
    assert store.resolve("fashion") == first
    assert [v.version for v in store.versions("fashion")] == ["v1"]
    with pytest.raises(StoreError, match="never published"):
        store.resolve(second.uri)
    assert publish(store).version == "v3"


def test_a_failed_publication_leaves_no_files(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aigc import storage

    write = storage.write_bytes

    def full_disk(uri: str, data: bytes) -> None:
        if uri.endswith("README.md"):
            raise StorageError(f"{uri}: No space left on device")
        write(uri, data)

    monkeypatch.setattr(storage, "write_bytes", full_disk)
    with pytest.raises(StorageError, match="No space left"):
        publish(store)
    folder = Path(store.uri) / "models" / "fashion" / "v1"
    assert [path.name for path in folder.iterdir()] == ["claim.json"]
    assert store.names() == []


def test_extras_come_later_and_do_not_touch_the_model(store: ModelStore) -> None:
    version = publish(store)
    assert store.read_extra(version, "metrics.json") is None
    store.write_extra(version, "metrics.json", b"{}")
    store.write_extra(version, "metrics.json", b'{"fd": 1}')
    assert store.read_extra(version, "metrics.json") == b'{"fd": 1}'
    assert store.resolve("fashion") == version
    for file in ("config.json", "model.safetensors", "version.json", "README.md", "../v2/x"):
        with pytest.raises(StoreError, match="never change"):
            store.write_extra(version, file, b"")


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_STORE", str(tmp_path / "there"))
    assert ModelStore().uri == str(tmp_path / "there")
    monkeypatch.delenv("AIGC_STORE")
    monkeypatch.chdir(tmp_path)
    assert ModelStore().uri == str(tmp_path / "aigc-store")


def _publish_one(uri: str, value: int) -> tuple[str, str]:
    version = ModelStore(uri).publish("fashion", CONFIG, weights(value), metrics={"value": value})
    return version.version, version.digest


def test_racing_publishers_get_versions_of_their_own(store: ModelStore) -> None:
    context = ForkServerContext()
    context.set_forkserver_preload([__name__])  # torch is imported once, not eight times
    with context.Pool(8) as pool:
        made = dict(pool.starmap(_publish_one, [(store.uri, value) for value in range(8)]))
    assert made.keys() == {f"v{number}" for number in range(1, 9)}
    for version in store.versions("fashion"):
        assert version.digest == made[version.version]
        value = json.loads(store.read_extra(version, "metrics.json") or b"")["value"]
        assert torch.equal(store.load(version)["sampler.a"], weights(value)["sampler.a"])
