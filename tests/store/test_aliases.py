"""Aliases: moves, history, roll-back, races."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from aigc.errors import StoreError
from aigc.store import ModelStore
from tests.store.test_models import publish


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(str(tmp_path / "store"))
    for value in range(4):
        publish(store, value)
    return store


def test_promote_moves_and_remembers(store: ModelStore) -> None:
    store.promote("fashion", "v1")
    store.promote("fashion", "v3")
    store.promote("fashion", "latest", alias="staging")
    assert store.resolve("fashion@production").version == "v3"
    assert store.aliases("fashion") == {"production": "v3", "staging": "v4"}
    assert [(m.version, m.action) for m in store.history("fashion")] == [
        ("v1", "promote"),
        ("v3", "promote"),
    ]


def test_promoting_what_stands_there_changes_nothing(store: ModelStore) -> None:
    store.promote("fashion", "v1")
    store.promote("fashion", "production")
    assert len(store.history("fashion")) == 1


def test_rollback_walks_back_and_keeps_history(store: ModelStore) -> None:
    for version in ("v1", "v2", "v3"):
        store.promote("fashion", version)
    assert store.rollback("fashion").version == "v2"
    store.promote("fashion", "v4")
    assert store.rollback("fashion").version == "v2"
    assert store.rollback("fashion").version == "v1"
    with pytest.raises(StoreError, match="nothing to roll back to: it is v1, its first"):
        store.rollback("fashion")
    assert store.resolve("fashion@production").version == "v1"
    assert len(store.history("fashion")) == 7


def test_a_folder_without_a_move_is_no_alias(store: ModelStore) -> None:
    """What a promotion leaves that was killed before its move was there."""
    store.promote("fashion", "v1")
    Path(store.uri, "models/fashion/_aliases/staging").mkdir()
    assert store.aliases("fashion") == {"production": "v1"}
    with pytest.raises(StoreError, match="there is: production, latest, v4"):
        store.resolve("fashion@nothing")
    store.promote("fashion", "v2", alias="staging")
    assert store.resolve("fashion@staging").version == "v2"


def test_rollback_of_an_alias_never_set(store: ModelStore) -> None:
    with pytest.raises(StoreError, match="never promoted"):
        store.rollback("fashion")


@pytest.mark.parametrize("alias", ["latest", "v2", "Production", "a/b", ""])
def test_reserved_and_unfit_aliases_are_refused(store: ModelStore, alias: str) -> None:
    with pytest.raises(StoreError, match="alias"):
        store.promote("fashion", "v1", alias)


def test_promoting_what_does_not_exist(store: ModelStore) -> None:
    with pytest.raises(StoreError, match="no version or alias 'v9'"):
        store.promote("fashion", "v9")
    with pytest.raises(StoreError, match="no model 'fashio'"):
        store.promote("fashio", "v1")


def test_racing_promotions_are_all_in_the_history(store: ModelStore) -> None:
    wanted = [f"v{number % 4 + 1}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: store.promote("fashion", version), wanted))
    moves = store.history("fashion")
    assert all(a.version != b.version for a, b in pairwise(moves))
    assert {move.version for move in moves} == {"v1", "v2", "v3", "v4"}
    assert store.resolve("fashion@production").version == moves[-1].version
    files = sorted((Path(store.uri) / "models/fashion/_aliases/production").iterdir())
    assert [file.name for file in files] == [f"{n + 1:06d}.json" for n in range(len(moves))]


def test_racing_rollbacks_each_take_one_step(store: ModelStore) -> None:
    for version in ("v1", "v2", "v3", "v4"):
        store.promote("fashion", version)
    with ThreadPoolExecutor(3) as pool:
        reached = list(pool.map(lambda _: store.rollback("fashion").version, range(3)))
    assert sorted(reached) == ["v1", "v2", "v3"]
    assert store.resolve("fashion@production").version == "v1"
