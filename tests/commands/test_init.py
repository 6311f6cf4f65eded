"""`aigc init` and `aigc spec`: a project whose specs are right as they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.data import requested
from aigc.modalities import MODALITIES
from aigc.specs import SPECS, Spec, load
from aigc.specs.generate import knobs
from tests.commands.conftest import Aigc


def loaded(verb: str, path: Path) -> Spec:
    if verb == "prepare":
        return requested.load(str(path), {})
    return load(SPECS[verb], str(path), {})


def fields_of(verb: str, modality: str = "image") -> set[str]:
    spec = MODALITIES[modality].source.spec if verb == "prepare" else SPECS[verb]
    return set(spec.model_fields) | (knobs() if verb == "generate" else set())


def test_a_new_project_is_complete(aigc: Aigc, tmp_path: Path) -> None:
    assert aigc("init", "shop").code == 0
    written = {path.name for path in (tmp_path / "shop").iterdir()}
    assert written == {"README.md", ".gitignore", *(f"{verb}.yaml" for verb in SPECS)}
    readme = (tmp_path / "shop" / "README.md").read_text()
    for verb in SPECS:
        assert loaded(verb, tmp_path / "shop" / f"{verb}.yaml")
        assert f"{verb}.yaml" in readme


def test_each_step_takes_what_the_one_before_made(aigc: Aigc, tmp_path: Path) -> None:
    aigc("init", "shop")
    specs = {verb: loaded(verb, tmp_path / f"shop/{verb}.yaml") for verb in SPECS}
    values = {verb: spec.model_dump() for verb, spec in specs.items()}
    assert values["prepare"]["out"] == values["train"]["data"] == values["evaluate"]["data"]
    assert values["train"]["name"] == values["evaluate"]["model"] == values["generate"]["model"]
    assert values["prepare"]["source"] in (tmp_path / "shop" / "README.md").read_text()


def test_files_that_are_there_are_named_and_kept(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("mine")
    refused = aigc("init", ".")
    assert refused.code == 2
    assert "train.yaml" in refused.err
    assert (tmp_path / "train.yaml").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
    assert aigc("init", ".", "--force").code == 0
    assert (tmp_path / "train.yaml").read_text() != "mine"


def test_a_file_is_no_folder(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    refused = aigc("init", "taken")
    assert refused.code == 2
    assert "is a file" in refused.err


@pytest.mark.parametrize("verb", SPECS)
def test_spec_shows_fields_schema_and_an_example(aigc: Aigc, tmp_path: Path, verb: str) -> None:
    fields = aigc("spec", verb).out
    assert all(name in fields for name in fields_of(verb))
    schema = json.loads(aigc("spec", verb, "--schema").out)
    assert schema["properties"].keys() == fields_of(verb)
    (tmp_path / "example.yaml").write_text(aigc("spec", verb, "--default").out)
    assert loaded(verb, tmp_path / "example.yaml")


def test_the_spec_of_sounds_has_their_fields(aigc: Aigc) -> None:
    schema = json.loads(aigc("spec", "prepare", "--schema", "--modality", "audio").out)
    assert schema["properties"].keys() == fields_of("prepare", "audio")
    assert {"seconds", "rate"} <= schema["properties"].keys()
    wrong = aigc("spec", "prepare", "--modality", "smell")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "modality = 'smell': expected one of image, audio" in wrong.err


def test_spec_of_no_verb(aigc: Aigc) -> None:
    wrong = aigc("spec", "fly")
    assert wrong.code == 2
    assert "prepare, train, evaluate, generate" in wrong.err
