"""Spec files and --set as people write them: read as meant, or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from aigc.distributed import address
from aigc.errors import AigcError, SpecError
from aigc.families import FAMILIES
from aigc.modalities.image.spec import PrepareImages
from aigc.service.bodies import Variation, Walk
from aigc.specs import (
    AppendSpec,
    EvaluateSpec,
    GenerateSpec,
    ServeSpec,
    TrainSpec,
    build,
    dump,
    load,
    parse_setting,
    set_dotted,
)
from aigc.specs.generate import knobs
from aigc.specs.requests import Generation

PLAIN = [  # --set, the value that the spec then has
    ("seed=010", 10),
    ("seed=0010", 10),
    ("seed=09", 9),
    ("seed=0", 0),
    ("seed=0x10", 16),
    ("seed=0b11", 3),
    ("count=1_000", 1000),
    ("count=01_0", 10),
    ("truncation=01.5", 1.5),
    ("truncation=.5", 0.5),
    ("labels=[01, 010, 1:30]", ("01", "010", "1:30")),
    ("labels={a: 010}", {"a": 10.0}),
]
SPECS = (
    *(AppendSpec, EvaluateSpec, GenerateSpec, PrepareImages, ServeSpec, TrainSpec),
    *(Generation, Variation, Walk),
)
NO_NUMBERS = ["count=1:30", "count=190:20:30", "seed=1:30", "truncation=1:30.5", "seed=0o17"]
WORDS = [  # a line of a spec, what is said of it
    ("labels: {No: 1}", "False: .*YAML reads no, off and false as False: put the word in quotes"),
    ("labels: [bag, yes]", "YAML reads yes, on and true as True: put the word in quotes"),
    ("labels: [bag, 3]", "= 3: .*put it in quotes if it is text"),
    ("labels: [2026-01-02]", "put it in quotes if it is text"),
    ("No: 1", "YAML reads no, off and false as False"),
    ("include: 3", "include = 3: expected a list, as in \\[a, b\\]"),
    ("gates: none", "gates = 'none': expected fields, as in {"),
    ("placement: [1]", "placement = \\[1\\]: expected fields, as in {"),
]
OTHER_TEXT = [  # bytes of a file, what is said of it
    ("model: m".encode("utf-16"), "not UTF-8 text, it looks like UTF-16; save it as UTF-8"),
    (b"\xfe\xff" + "model: é".encode("utf-16-be"), "it looks like UTF-16"),
    ("model: m".encode("utf-16-le"), "zero bytes, as UTF-16 text has; save it as UTF-8"),
    ("model: é".encode("latin-1"), "not UTF-8 text; save it as UTF-8"),
]


def _generate(text: str) -> dict[str, Any]:
    return {"model": "m", "out": "o", "count": 10} | dict([parse_setting(text)])


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_a_number_is_decimal(text: str, value: object, tmp_path: Path) -> None:
    spec = build(GenerateSpec, _generate(text))
    name = text.partition("=")[0]
    assert (spec.sampling[name] if name in knobs() else getattr(spec, name)) == value
    (tmp_path / "dumped.yaml").write_text(dump(spec))
    assert load(GenerateSpec, str(tmp_path / "dumped.yaml"), {}) == spec
    (tmp_path / "written.yaml").write_text(text.replace("=", ": ", 1))
    others = {"model": "m", "out": "o"} | ({} if text.startswith("count") else {"count": 10})
    assert load(GenerateSpec, str(tmp_path / "written.yaml"), others) == spec


@pytest.mark.parametrize(("text", "side"), [("size=040", 40), ("size=040x032", (40, 32))])
def test_a_size_is_decimal(text: str, side: object) -> None:
    values = {"source": "s", "out": "o"} | dict([parse_setting(text)])
    assert build(PrepareImages, values).size == side


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_time_of_day_is_no_number(text: str) -> None:
    key, _, value = text.partition("=")
    with pytest.raises(SpecError, match=f"{key} = '{value}': .*valid"):
        build(GenerateSpec, _generate(text))


def _models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """`kind`, and the models of its fields."""
    yield kind
    for field in kind.model_fields.values():
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _models(part)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _takes(schema: dict[str, Any], kinds: set[str]) -> bool:
    choices = schema.get("anyOf", [schema])
    return any(one.get("type") in kinds for one in choices)


MODELS = [model for family in FAMILIES.values() if family.learner for model in _models(family.spec)]
NUMBERS = sorted(
    {
        (model, name)
        for spec in SPECS
        for model in (*_models(spec), *MODELS)
        for name, schema in model.model_json_schema()["properties"].items()
        if _takes(schema, {"integer", "number"}) and not _takes(schema, {"boolean"})
        if name in model.model_fields
    },
    key=lambda one: (one[0].__name__, one[1]),
)


def test_there_are_numbers_in_every_spec() -> None:
    assert len(NUMBERS) > 80
    assert {model.__name__ for model, _ in NUMBERS} >= {"GanModel", "VaeModel", "Placement", "Walk"}


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", one))
def test_yes_and_no_are_no_numbers(model: type[BaseModel], name: str, value: bool) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({name: value})
    found = {error["loc"]: error["msg"] for error in refused.value.errors()}
    assert found[(name,)].startswith("expected ")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("count=yes", "count = True: expected a number, .*YAML reads yes, on and true as True"),
        ("count=off", "count = False: expected a number, .*YAML reads no, off and false as False"),
        ("labels={bag: yes}", "labels.bag = True: expected a number, not true or false"),
        ("labels={Bag: much}", "labels.Bag = 'much': input should be a valid number"),
        ("gates.max_draws=on", "gates.max_draws = True: expected a number"),
        ("placement.workers=true", "placement.workers = True: expected a number"),
    ],
)
def test_where_yes_comes_from_is_said(setting: str, said: str) -> None:
    values = {"model": "m", "out": "o", "count": 10}
    key, value = parse_setting(setting)
    set_dotted(values, key, value)
    with pytest.raises(SpecError, match=said):
        build(GenerateSpec, values)


def test_betas_of_yes_are_refused() -> None:
    values = {"name": "n", "data": "d", "out": "o", "steps": 1, "betas": [True, 0.9]}
    with pytest.raises(SpecError, match=r"betas = .*: expected a number"):
        build(TrainSpec, values)


@pytest.mark.parametrize(("line", "said"), WORDS)
def test_a_wrong_kind_is_said_in_the_words_of_yaml(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "y.yaml").write_text(f"model: m\nout: o\ncount: 1\n{line}\n")
    with pytest.raises(SpecError, match=said) as refused:
        load(GenerateSpec, str(tmp_path / "y.yaml"), {})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("data", "said"), OTHER_TEXT)
def test_a_file_in_another_encoding_is_named_so(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "y.yaml").write_bytes(data)
    with pytest.raises(SpecError, match=said):
        load(GenerateSpec, str(tmp_path / "y.yaml"), {})


def test_a_pipe_with_a_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "y.yaml")
    (tmp_path / "link.yaml").symlink_to("y.yaml")
    for name in (tmp_path / "y.yaml", tmp_path / "link.yaml", "/dev/zero"):
        with pytest.raises(SpecError, match="not a regular file; `-` reads standard input"):
            load(GenerateSpec, str(name), {})


def test_a_pipe_of_the_shell_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"model: m\nout: o\ncount: 3\n")
    os.close(writer)
    try:
        assert load(GenerateSpec, f"/dev/fd/{reader}", {}).count == 3
    finally:
        os.close(reader)


@pytest.mark.parametrize("variable", [" auto ", "auto\u00a0", "Auto", "  ", "auto\r"])
def test_blanks_around_auto_do_not_reach_ray(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: None)
    with pytest.raises(AigcError, match="no Ray cluster runs on this machine"):
        address.require_cluster("auto")
