"""A family and a condition that nothing outside their one module knows, through every command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aigc.conditions import CONDITIONS
from aigc.distributed import generate
from aigc.errors import SpecError
from aigc.families import FAMILIES
from aigc.output import commit
from aigc.sets import read
from aigc.sets.verify import verify
from aigc.specs import GenerateSpec
from aigc.store import ModelStore, ModelVersion

TEXTS = ["hello", "grüße", "hello world"]


@pytest.fixture(scope="module")
def toy() -> Iterator[ModelVersion]:
    families, conditions = dict(FAMILIES), dict(CONDITIONS)
    from tests.families import toy as module

    FAMILIES["stripes"], CONDITIONS["text"] = module.STRIPES, module.Text()
    try:
        yield module.publish(ModelStore())
    finally:
        for name in FAMILIES.keys() - families.keys():
            del FAMILIES[name]
        for name in CONDITIONS.keys() - conditions.keys():
            del CONDITIONS[name]


def made(out: Path, version: ModelVersion, **fields: Any) -> list[bytes]:
    asked = {"model": version.ref, "out": str(out), "count": 40, "micro_batch": 8, "seed": 3}
    asked |= {"conditions": {"text": TEXTS}, "tilt": 0.5, "shard_items": 8}
    generate.run(GenerateSpec.model_validate(asked | fields))
    place = str(out)
    found = read.items(place, commit.read_job(place), commit.read_records(place), range(40))
    return [found[at] for at in range(40)]


@pytest.fixture(scope="module")
def files(toy: ModelVersion, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    out = tmp_path_factory.mktemp("toy") / "one"
    return out, made(out, toy, placement={"workers": 1})


def test_two_workers_make_the_same_bytes(
    toy: ModelVersion, files: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    out, expected = files
    assert len(set(expected)) == 40
    assert made(tmp_path / "two", toy, placement={"workers": 2}) == expected
    digests = [
        json.loads((place / "manifest.json").read_text())["content_digest"]
        for place in (out, tmp_path / "two")
    ]
    assert digests[0] == digests[1]


def test_the_set_is_verified_and_made_again(files: tuple[Path, list[bytes]]) -> None:
    out, expected = files
    assert verify(str(out), decode_items=1000)["items"] == 40
    again = generate.regenerate(str(out), [0, 17, 39])
    assert again == {at: expected[at] for at in (0, 17, 39)}


def test_the_columns_hold_the_condition(files: tuple[Path, list[bytes]]) -> None:
    out, _ = files
    rows = pq.read_table(out / "data").sort_by("index").to_pylist()
    assert [row["text"] for row in rows] == [TEXTS[at % 3] for at in range(40)]
    assert {row["label"] for row in rows} == {None}
    assert len({row["id"] for row in rows}) == 40
    job = json.loads((out / "_job.json").read_text())
    assert job["schedules"]["text"]["pattern"] == TEXTS
    assert job["sampling"] == {"tilt": 0.5}


def test_knobs_and_conditions_reach_the_generator(
    toy: ModelVersion, files: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    _, expected = files
    straight = made(tmp_path / "straight", toy, tilt=None, placement={"workers": 1})
    plain = made(tmp_path / "plain", toy, conditions={}, placement={"workers": 1})
    assert not set(straight) & set(expected)
    assert not set(plain) & set(expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"labels": ["one"]}, "labels: this model has none; leave labels out"),
        ({"conditions": {"text": []}}, r"text: expected texts, got \[\]"),
        ({"conditions": {"colour": "red"}}, "conditions.colour: this model has none"),
        ({"truncation": 0.5}, "unknown field truncation; the fields are: tilt"),
        ({"include": ["latents"]}, "include = latents: the model has no latent space"),
    ],
)
def test_what_the_model_does_not_take_is_refused_in_one_line(
    toy: ModelVersion, tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SpecError, match=expected) as caught:
        made(tmp_path / "refused", toy, placement={"workers": 1}, **fields)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "refused").exists()
