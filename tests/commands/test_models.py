"""`aigc models`: what a user reads and scripts parse."""

from __future__ import annotations

import json

from aigc.store import ModelStore
from tests.commands.conftest import Aigc
from tests.store.test_models import CONFIG, weights


def fill() -> ModelStore:
    store = ModelStore()
    for value in range(3):
        store.publish("fashion", CONFIG, weights(value), metrics={"fd": 100.0 / (value + 1)})
    store.publish("other", CONFIG, weights())
    return store


def test_an_empty_store_says_how_to_fill_it(aigc: Aigc) -> None:
    listed = aigc("models", "list")
    assert listed.code == 0
    assert "aigc train publishes one" in listed.out
    assert json.loads(aigc("models", "list", "--json").out) == []


def test_list(aigc: Aigc) -> None:
    store = fill()
    store.promote("fashion", "v1")
    rows = json.loads(aigc("models", "list", "--json").out)
    assert [(row["ref"], row["aliases"]) for row in rows] == [
        ("fashion@v3", ["latest"]),
        ("fashion@v2", []),
        ("fashion@v1", ["production"]),
        ("other@v1", ["latest"]),
    ]
    table = aigc("models", "list", "fashion").out.splitlines()
    assert len(table) == 4
    assert table[3].split()[:3] == ["fashion@v1", "production", "gan"]
    wrong = aigc("models", "list", "fashio")
    assert wrong.code == 2
    assert "there is: fashion, other" in wrong.err


def test_a_collapsed_model_says_so(aigc: Aigc) -> None:
    store = fill()
    store.publish("fashion", CONFIG, weights(9), health="collapsed")
    rows = json.loads(aigc("models", "list", "fashion", "--json").out)
    assert [row["health"] for row in rows] == ["collapsed", "unknown", "unknown", "unknown"]
    lines = aigc("models", "list", "fashion").out.splitlines()
    assert "health" in lines[0]
    assert "collapsed" in lines[1]
    assert "health     collapsed" in aigc("models", "show", "fashion").out


def test_show(aigc: Aigc) -> None:
    version = fill().resolve("fashion@v2")
    shown = aigc("models", "show", "fashion@v2").out
    for part in (version.digest, version.uri, "shoe, bag", "16 x 16 grey", "fd         50"):
        assert part in shown
    parsed = json.loads(aigc("models", "show", version.uri, "--json").out)
    assert parsed["metrics"] == {"fd": 50.0}
    assert parsed["config"]["height"] == 16


def test_promote_and_rollback(aigc: Aigc) -> None:
    store = fill()
    assert aigc("models", "promote", "fashion@v1").out == "fashion@production is v1\n"
    assert aigc("models", "promote", "fashion").out == "fashion@production is v3\n"
    assert aigc("models", "rollback", "fashion").out == "fashion@production is v1\n"
    assert store.resolve("fashion@production").version == "v1"
    again = aigc("models", "rollback", "fashion")
    assert again.code == 2
    assert "nothing to roll back to" in again.err
    assert aigc("models", "promote", "fashion@v2", "--alias", "latest").code == 2


def test_another_store(aigc: Aigc) -> None:
    fill()
    assert "no models" in aigc("models", "list", "--store", "elsewhere").out
