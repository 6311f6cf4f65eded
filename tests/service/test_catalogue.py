from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aigc.errors import AigcError, StoreError
from aigc.service.catalogue import Catalogue
from aigc.service.errors import NotFoundError, UnhealthyModelError
from aigc.service.settings import ServiceSettings
from aigc.storage import _s3_client
from aigc.store import ModelStore, ModelVersion
from tests.models_for_tests import publish_tiny, tiny_config, tiny_tensors
from tests.waiting import wait_until


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "store"))


def publish_bad(store: ModelStore, name: str = "tiny") -> ModelVersion:
    config = tiny_config()
    tensors = tiny_tensors(config)
    tensors["sampler.root.weight"][:] = torch.nan
    return store.publish(name, config, tensors)


def catalogue(store: ModelStore, *models: str, **options: object) -> Catalogue:
    settings = {"store": store.uri, "models": models, "micro_batch": 8, "poll_interval_s": 60.0}
    found = Catalogue(ServiceSettings(**(settings | options)))  # type: ignore[arg-type]
    found.start()
    return found


def get(found: Catalogue, ref: str) -> str:
    return asyncio.run(found.get(ref)).version.ref


def test_a_name_follows_its_alias_both_ways(store: ModelStore) -> None:
    publish_tiny(store=store)
    publish_tiny(store=store, seed=1)
    store.promote("tiny", "v1")
    found = catalogue(store, "tiny@production")
    assert get(found, "tiny") == "tiny@v1"
    store.promote("tiny", "v2")
    assert get(found, "tiny") == "tiny@v1"
    found.refresh()
    assert get(found, "tiny") == "tiny@v2"
    assert get(found, "tiny@v1") == "tiny@v1"
    store.rollback("tiny")
    found.refresh()
    assert get(found, "tiny") == "tiny@v1"
    assert get(found, "tiny@latest") == "tiny@v2"


def test_it_watches_by_itself(store: ModelStore) -> None:
    publish_tiny(store=store)
    found = catalogue(store, "tiny", poll_interval_s=0.05)
    publish_tiny(store=store, seed=1)
    wait_until(lambda: get(found, "tiny") == "tiny@v2")
    found.close()


def test_an_unfit_version_is_never_switched_to(store: ModelStore) -> None:
    publish_tiny(store=store)
    found = catalogue(store, "tiny")
    publish_bad(store)
    for _ in range(3):
        found.refresh()
        assert get(found, "tiny") == "tiny@v1"
    failure = found.offers()[0].failure
    assert failure is not None
    assert failure.ref == "tiny@v2"
    assert "not finite" in failure.reason
    with pytest.raises(UnhealthyModelError, match="tiny@v2 cannot be used"):
        get(found, "tiny@v2")
    publish_tiny(store=store, seed=2)
    found.refresh()
    assert get(found, "tiny") == "tiny@v3"
    assert found.offers()[0].failure is None


def test_a_damaged_version_is_never_switched_to(store: ModelStore) -> None:
    publish_tiny(store=store)
    found = catalogue(store, "tiny")
    weights = Path(publish_tiny(store=store, seed=1).uri) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    found.refresh()
    assert get(found, "tiny") == "tiny@v1"
    assert "damaged" in found.failures()[0].reason


def test_a_start_after_a_bad_promotion_takes_the_version_before(store: ModelStore) -> None:
    publish_tiny(store=store)
    store.promote("tiny", "v1")
    store.promote("tiny", publish_bad(store).version)
    for asked in ("tiny@production", "tiny"):
        found = catalogue(store, asked)
        assert get(found, "tiny") == "tiny@v1"
        assert found.offers()[0].failure is not None
    with pytest.raises(AigcError, match="cannot be used"):
        catalogue(store, "tiny@v2")


@pytest.mark.parametrize("asked", ["tiny@production", "tiny"])
def test_an_alias_in_a_request_stays_where_the_name_stays(store: ModelStore, asked: str) -> None:
    publish_tiny(store=store)
    store.promote("tiny", "v1")
    found = catalogue(store, asked)
    refs = ("tiny@production", "tiny@latest", "tiny")
    assert [get(found, ref) for ref in refs] == ["tiny@v1"] * 3
    store.promote("tiny", publish_bad(store).version)
    for _ in range(2):
        assert [get(found, ref) for ref in refs] == ["tiny@v1"] * 3
        found.refresh()
    assert unfit(found) == ["tiny@v2"]
    store.promote("tiny", publish_tiny(store=store, seed=2).version)
    found.refresh()
    assert [get(found, ref) for ref in refs] == ["tiny@v3"] * 3
    assert unfit(found) == []


def test_an_alias_first_asked_for_while_it_is_bad_is_the_version_before(store: ModelStore) -> None:
    publish_tiny(store=store)
    store.promote("tiny", "v1")
    store.promote("tiny", publish_bad(store).version)
    publish_tiny(store=store, seed=1)
    found = catalogue(store, "tiny")
    assert (get(found, "tiny"), get(found, "tiny@production")) == ("tiny@v3", "tiny@v1")


def test_the_store_is_not_asked_at_requests_by_alias(store: ModelStore) -> None:
    """The store is moved away, so a request that asked it would fail."""
    publish_tiny(store=store)
    store.promote("tiny", "v1")
    found = catalogue(store, "tiny")
    get(found, "tiny@production")
    found.refresh()
    Path(store.uri).rename(Path(store.uri).with_name("elsewhere"))
    with pytest.raises(AigcError):
        found.store.resolve("tiny@production")
    assert [get(found, ref) for ref in ("tiny", "tiny@production")] == ["tiny@v1"] * 2
    with pytest.raises(NotFoundError):
        get(found, "tiny@staging")


def test_whatever_keeps_a_name_from_being_followed_is_told(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, known: object) -> str:
        raise IndexError("list index out of range")

    publish_tiny(store=store)
    found = catalogue(store, "tiny")
    with monkeypatch.context() as patch:
        patch.setattr(found.store, "latest", broken)
        found.refresh()
    assert [failure.reason for failure in found.failures()] == ["list index out of range"]
    assert get(found, "tiny") == "tiny@v1"
    found.refresh()
    assert found.failures() == []


def unfit(found: Catalogue) -> list[str]:
    return sorted(failure.ref for failure in found.failures())


def test_one_bad_model_keeps_nobody_from_the_others(store: ModelStore) -> None:
    publish_bad(store, "bad")
    with pytest.raises(StoreError, match="bad@v1 cannot be used"):
        catalogue(store)
    publish_tiny("good", store=store)
    for models in ((), ("bad", "good")):
        found = catalogue(store, *models)
        assert get(found, "good") == "good@v1"
        assert [offer.unhealthy for offer in found.offers()] == [True, False]
    with pytest.raises(UnhealthyModelError, match="not finite") as caught:
        get(found, "bad")
    assert 50 < caught.value.retry_after_s <= 60
    found.refresh()
    assert unfit(found) == ["bad@v1"]
    publish_tiny("bad", store=store)
    found.refresh()
    assert (get(found, "bad"), unfit(found)) == ("bad@v2", [])


def test_new_names_are_checked_and_do_not_stop_the_watch(store: ModelStore) -> None:
    publish_tiny("good", store=store)
    found = catalogue(store)
    publish_bad(store, "bad")
    unread = Path(publish_tiny("cut", store=store).uri, "version.json")
    whole = unread.read_text()
    unread.write_text("{")
    publish_tiny("good", store=store, seed=1)
    found.refresh()
    assert get(found, "good") == "good@v2"
    assert unfit(found) == ["bad@v1", "cut"]
    with pytest.raises(UnhealthyModelError, match=r"cut.*damaged"):
        get(found, "cut")
    unread.write_text(whole)
    found.refresh()
    assert (get(found, "cut"), unfit(found)) == ("cut@v1", ["bad@v1"])


def test_a_roll_back_clears_what_failed(store: ModelStore) -> None:
    publish_tiny(store=store)
    store.promote("tiny", "v1")
    found = catalogue(store, "tiny@production")
    store.promote("tiny", publish_bad(store).version)
    found.refresh()
    assert unfit(found) == ["tiny@v2"]
    store.rollback("tiny")
    found.refresh()
    assert unfit(found) == []


def test_what_stands_and_fails_later_is_told(store: ModelStore) -> None:
    """It is not checked at the start where there is no room."""
    publish_tiny("a", store=store)
    size = catalogue(store, "a").loaded()[0].size_bytes
    version = publish_tiny("b", store=store)
    found = catalogue(store, model_memory_bytes=size)
    Path(version.uri, "model.safetensors").unlink()
    assert unfit(found) == []
    with pytest.raises(UnhealthyModelError, match="b@v1 cannot be used"):
        get(found, "b")
    assert unfit(found) == ["b@v1"]
    found.refresh()
    assert unfit(found) == ["b@v1"]
    assert get(found, "a") == "a@v1"


def test_memory_holds_the_lately_used(store: ModelStore) -> None:
    for name in ("a", "b", "c"):
        publish_tiny(name, store=store)
    size = catalogue(store, "a").loaded()[0].size_bytes
    found = catalogue(store, model_memory_bytes=int(2.5 * size))
    assert {model.version.name for model in found.loaded()} == {"a", "b"}
    get(found, "a")
    assert get(found, "c") == "c@v1"
    assert {model.version.name for model in found.loaded()} == {"a", "c"}
    assert get(found, "b") == "b@v1"


def test_what_is_not_offered_is_not_served(store: ModelStore) -> None:
    publish_tiny("a", store=store)
    publish_tiny("b", store=store)
    found = catalogue(store, "a")
    with pytest.raises(NotFoundError):
        get(found, "b@v1")
    with pytest.raises(StoreError, match="no model 'nothing'"):
        catalogue(store, "nothing")
    with pytest.raises(StoreError, match="name each once"):
        catalogue(store, "a", "a@v1")


@pytest.mark.parametrize("far", ["a@out/../../far/models/b/v1", "a@out/../../far/models/a/v2"])
def test_a_request_reaches_no_folder(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far: str
) -> None:
    """Not through a folder of this process whose name begins like a model's either."""
    other = ModelStore(str(tmp_path / "far"))
    for name in ("a", "a", "b"):
        publish_tiny(name, store=other)
    publish_tiny("a", store=store)
    (tmp_path / "here" / "a@out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert other.resolve(far).uri.startswith(str(tmp_path / "here"))
    found = catalogue(store, "a")
    with pytest.raises(NotFoundError):
        get(found, far)
    assert [model.version.ref for model in found.loaded()] == ["a@v1"]


def test_an_empty_store_is_told(store: ModelStore) -> None:
    with pytest.raises(StoreError, match="aigc train publishes one"):
        catalogue(store)


def test_new_names_are_offered_when_everything_is(store: ModelStore) -> None:
    publish_tiny("a", store=store)
    found = catalogue(store)
    publish_tiny("b", store=store)
    found.refresh()
    assert get(found, "b") == "b@v1"


@contextlib.contextmanager
def s3_requests() -> Iterator[list[str]]:
    """Names of the calls that are made to S3 meanwhile."""
    made: list[str] = []

    def noted(request: object, event_name: str, **_: object) -> None:
        made.append(event_name.rpartition(".")[2])

    events = _s3_client.client().meta.events
    events.register("before-send.s3", noted)
    try:
        yield made
    finally:
        events.unregister("before-send.s3", noted)


@pytest.mark.integration
@pytest.mark.parametrize("all_names", [True, False])
def test_an_idle_replica_lists_and_reads_nothing(s3_uri: str, all_names: bool) -> None:
    """Two lists a name, and one for new names, whatever there is of versions and moves."""
    store = ModelStore(f"{s3_uri}/store")
    for seed in range(3):
        for name in ("other", "tiny"):
            publish_tiny(name, store=store, seed=seed)
    for version in ("v1", "v2", "v1", "v3", "v2"):
        store.promote("tiny", version)
        store.promote("tiny", version, "staging")
    found = catalogue(store, *(() if all_names else ("other", "tiny@production")))
    get(found, "tiny@staging")
    found.refresh()
    for _ in range(3):
        with s3_requests() as made:
            found.refresh()
        assert made == ["ListObjectsV2"] * (5 if all_names else 4)
    with s3_requests() as made:
        store.promote("tiny", "v1")
    assert made.count("GetObject") <= 3, "the last move, and the version it is to be"
    with s3_requests() as made:
        found.refresh()
    assert made.count("GetObject") <= 8, "the new move, and the version with its weights"
    assert get(found, "tiny@production") == "tiny@v1"
