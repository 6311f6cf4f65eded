from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aigc.errors import SpecError
from aigc.families import FAMILIES
from aigc.families.gan import GanModel
from aigc.modalities.image.spec import PrepareImages
from aigc.specs import (
    SPECS,
    AppendSpec,
    EvaluateSpec,
    GenerateSpec,
    ServeSpec,
    Spec,
    TrainSpec,
    build,
    dump,
    load,
    parse_setting,
)
from aigc.specs.generate import knobs

GENERATE = {"model": "m", "out": "o", "count": 10}
TRAIN = {"name": "n", "data": "d", "out": "o", "steps": 10}

WRONG = [
    (GenerateSpec, GENERATE | {"shade": "red"}, "unknown field shade; the fields are: model"),
    (
        GenerateSpec,
        GENERATE | {"gates": {"foo": 1}},
        "unknown field gates.foo; the fields of gates are: degenerate, realism",
    ),
    (
        GenerateSpec,
        GENERATE | {"gates": {"duplicates": {"bits": 1}}},
        "fields of gates.duplicates are: near, distance, rmse",
    ),
    (GenerateSpec, {"model": "m", "out": "o"}, "count is missing; set it, or give briefs"),
    (GenerateSpec, GENERATE | {"count": 0}, "count = 0: .*greater than or equal to 1"),
    (GenerateSpec, GENERATE | {"count": -5}, "count = -5: .*greater than or equal to 1"),
    (GenerateSpec, GENERATE | {"count": "many"}, "count = 'many': .*valid integer"),
    (GenerateSpec, GENERATE | {"seed": 2**63}, "seed = 9223372036854775808: .*less than"),
    (GenerateSpec, GENERATE | {"labels": {"bag": 0}}, "bag = 0: .*greater than 0"),
    (GenerateSpec, GENERATE | {"placement": {"workers": 0}}, "placement.workers = 0"),
    (GenerateSpec, GENERATE | {"count": 2**40}, "count = 1099511627776: .*less than"),
    (AppendSpec, {"out": "o", "to": 2**40}, "to = 1099511627776: .*less than"),
    (GenerateSpec, GENERATE | {"truncation": float("inf")}, "truncation = inf: .*finite"),
    (GenerateSpec, GENERATE | {"truncation": True}, "^truncation = True: expected a number, not"),
    (GenerateSpec, GENERATE | {"truncation": "wide"}, "^truncation = 'wide': .*valid number"),
    (GenerateSpec, GENERATE | {"sampling": {"truncation": True}}, "^sampling.truncation = True: "),
    (
        GenerateSpec,
        GENERATE | {"gates": {"realism": {"threshold": float("nan")}}},
        "gates.realism.threshold = nan: .*finite",
    ),
    (GenerateSpec, GENERATE | {"max_rejects": float("inf")}, "max_rejects = inf: .*finite"),
    (TrainSpec, TRAIN | {"lr": float("inf")}, "lr = inf: .*finite"),
    (
        GenerateSpec,
        GENERATE | {"placement": {"cpus_per_worker": 1e-320}},
        "placement.cpus_per_worker = 1e-320: .*0.01",
    ),
    (
        GenerateSpec,
        GENERATE | {"placement": {"gpus_per_worker": 1e-320}},
        "placement.gpus_per_worker = 1e-320: .*0, or 0.01 or more",
    ),
    (GenerateSpec, GENERATE | {"out": "gs://b/x"}, "^out = 'gs://b/x': expected a path, file:"),
    (GenerateSpec, GENERATE | {"out": "s3://"}, "^out = 's3://': expected s3://BUCKET"),
    (GenerateSpec, GENERATE | {"briefs": ""}, "^briefs = '': expected a path"),
    (
        EvaluateSpec,
        {"model": "m", "data": "d", "out": "~nosuch/x"},
        "^out = '~nosuch/x': unknown",
    ),
    (TrainSpec, TRAIN | {"seed": 16**5000}, "seed = a number of thousands of digits: .*less"),
    (PrepareImages, {"source": "s", "out": "o", "test_fraction": 2}, "test_fraction = 2"),
    (TrainSpec, {"name": "n", "data": "d", "out": "o"}, "set steps or max_seconds"),
    (TrainSpec, TRAIN | {"batch_size": 10**8}, "batch_size = 100000000: .*65536"),
    (TrainSpec, TRAIN | {"name": "Bad Name"}, "name = 'Bad Name': .*pattern"),
    (TrainSpec, TRAIN | {"model": {"family": "flow"}}, "model.*'gan'"),
    (
        TrainSpec,
        TRAIN | {"model": {"family": "gan", "depth": 3}},
        "model.depth; .* family, generator",
    ),
    (
        TrainSpec,
        TRAIN | {"model": {"family": "vae", "loss": "hinge"}},
        "model.loss: a field of family gan",
    ),
    (ServeSpec, {"trace_indexes": ["s3://b/i"]}, "trace_indexes = .*s3://b/i is not a folder"),
    *(
        (TrainSpec, TRAIN | {"model": model}, f"model.{message}")
        for model, message in [
            ({"family": "gan", "blocks": 2}, "blocks 2 has no effect without residual networks"),
            ({"generator": "dcgan", "penalty_sigma": 0.1}, "penalty_sigma 0.1 has no effect with"),
            ({"family": "gan", "augment_probability": 0.5}, "augment_probability 0.5 has no"),
            ({"discriminator": "residual", "spectral_norm": True}, "spectral_norm has no effect"),
            ({"family": "vae", "blocks": 2}, "blocks 2 has no effect on networks dcgan"),
            ({"likelihood": "bernoulli", "variance": 0.5}, "variance 0.5 has no effect with"),
        ]
    ),
    (ServeSpec, {"models": ["a", "b", "a@v1"]}, "models: a is named more than once"),
    (ServeSpec, {"models": ["s3://b/models/a/v1"]}, "models: s3://b/models/a/v1 is a folder"),
    (ServeSpec, {"models": ["./a"]}, "models: ./a is a folder; .* AIGC_STORE"),
    (TrainSpec, TRAIN | {"placement": {"workers": 3}}, "batch_size 64 cannot be divided"),
]


@pytest.mark.parametrize(("spec", "values", "message"), WRONG, ids=[row[2] for row in WRONG])
def test_a_wrong_field_is_one_line_with_field_and_value(spec, values, message) -> None:
    with pytest.raises(SpecError, match=message) as raised:
        build(spec, values)
    assert "\n" not in str(raised.value)


def test_flags_override_the_file_and_dotted_keys_reach_inside(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("model: m\nout: o\ncount: 5\nplacement: {workers: 2}\n")
    spec = load(GenerateSpec, str(path), {"count": 7, "placement.max_retries": 1})
    assert (spec.count, spec.placement.workers, spec.placement.max_retries) == (7, 2, 1)


def test_a_setting_is_yaml() -> None:
    assert parse_setting("lr=2e-4") == ("lr", "2e-4")
    assert build(TrainSpec, TRAIN | dict([parse_setting("lr=2e-4")])).lr == 2e-4
    assert parse_setting("labels=[a, b]") == ("labels", ["a", "b"])
    assert parse_setting("background=#f4efe6") == ("background", "#f4efe6")
    for text in ("lr", "=3", "a=[1", "a=2026-02-30", "a=0x_", "a=!!int ''", "a=" + "[" * 500):
        with pytest.raises(SpecError, match="--set"):
            parse_setting(text)


@pytest.mark.parametrize(
    "text", ["just words", "- a list", "a: [", "\xff", "out: 2026-02-30", "out: !!timestamp x"]
)
def test_a_file_that_is_no_spec_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=r"job\.yaml") as raised:
        load(GenerateSpec, str(path), {})
    assert "\n" not in str(raised.value)
    with pytest.raises(SpecError, match="No such file"):
        load(GenerateSpec, str(tmp_path / "none.yaml"), {})


@pytest.mark.parametrize(
    ("text", "twice"),
    [("count: 1\ncount: 2", "count"), ("placement: {workers: 1, workers: 2}", "workers")],
)
def test_a_field_that_is_there_twice_is_refused(tmp_path: Path, text: str, twice: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"model: m\nout: o\n{text}\n")
    with pytest.raises(SpecError, match=f"{twice} occurs twice"):
        load(GenerateSpec, str(path), {})


def test_a_dumped_spec_is_the_same_spec() -> None:
    spec = build(TrainSpec, TRAIN)
    assert build(TrainSpec, yaml.safe_load(dump(spec))) == spec


@pytest.mark.parametrize("spec", [*SPECS.values(), AppendSpec], ids=lambda spec: spec.__name__)
def test_every_field_is_described(spec: type[Spec]) -> None:
    schema = spec.model_json_schema()
    models = {spec.__name__: schema} | schema.get("$defs", {})
    fields = {f"{m}.{f}": field for m in models for f, field in models[m]["properties"].items()}
    assert [name for name, field in fields.items() if not field.get("description")] == []
    assert [n for n, field in fields.items() if field["description"][-1] not in ".)"] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_of_a_model_is_described(family: str) -> None:
    for spec in (FAMILIES[family].spec, FAMILIES[family].sampling):
        schema = spec.model_json_schema()
        models = {spec.__name__: schema} | schema.get("$defs", {})
        fields = {f"{m}.{f}": field for m in models for f, field in models[m]["properties"].items()}
        assert [name for name, field in fields.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ({"separate": True}, "field separate is now render_process; rename it"),
        ({"memory_bytes": 1}, "field memory_bytes is now model_memory_bytes; rename it"),
        ({"watch_s": 1}, "field watch_s is now poll_interval_s; rename it"),
        ({"wait_s": 1}, "field wait_s is now startup_timeout_s; rename it"),
    ],
)
def test_a_former_field_name_is_refused_with_the_present_one(old: object, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        build(ServeSpec, old)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_the_former_switch_of_labels_is_refused_with_the_profile() -> None:
    with pytest.raises(SpecError) as raised:
        build(GenerateSpec, GENERATE | {"embed_provenance": False})
    assert str(raised.value) == (
        "field embed_provenance is now provenance.profile (where it was false: none, with "
        "provenance.reason); rename it"
    )


@pytest.mark.parametrize(
    ("spec", "values", "message"),
    [
        (GenerateSpec, {"profile": "none"}, "profile none needs reason"),
        (GenerateSpec, {"profile": "china"}, "profile china needs provider"),
        (GenerateSpec, {"prompts": True}, "provenance.prompts needs briefs"),
        (ServeSpec, {"prompts": True}, "provenance.prompts: an address stands for an item"),
        (GenerateSpec, {"credentials": {"authority": "tsa"}}, "authority"),
    ],
)
def test_what_files_cannot_state_is_refused(spec, values, message) -> None:
    given = GENERATE if spec is GenerateSpec else {}
    with pytest.raises(SpecError, match=message):
        build(spec, given | {"provenance": values})


def test_a_former_name_within_a_field_is_refused_with_the_present_one() -> None:
    with pytest.raises(SpecError) as raised:
        build(GenerateSpec, GENERATE | {"placement": {"wait_s": 1}}, where="job.yaml")
    assert str(raised.value) == (
        "job.yaml: field placement.wait_s is now placement.startup_timeout_s; rename it"
    )


def test_a_former_name_belongs_to_its_own_spec() -> None:
    assert build(TrainSpec, TRAIN | {"memory_bytes": 5}).memory_bytes == 5
    with pytest.raises(SpecError, match="unknown field separate; the fields are: model"):
        build(GenerateSpec, GENERATE | {"separate": True})


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_spec_prints_a_schema(spec) -> None:
    schema = spec.model_json_schema()
    assert schema["additionalProperties"] is False
    known = knobs() if spec is GenerateSpec else set()
    assert set(schema["properties"]) == set(spec.model_fields) | known


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        build(GenerateSpec, GENERATE).count = 3  # type: ignore[misc]


def test_a_model_without_a_family_is_a_gan() -> None:
    values = {"name": "a", "data": "b", "out": "c", "steps": 1, "model": {"width": 8}}
    assert build(TrainSpec, values).model == GanModel(width=8)
    assert values["model"] == {"width": 8}


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (64, (64, 64)),
        ("64", (64, 64)),
        ("32x48", (32, 48)),
        ("32 x 48", (32, 48)),
        ([32, 48], (32, 48)),
        ((48, 48), (48, 48)),
    ],
)
def test_a_size_is_one_side_or_height_and_width(size: object, shape: tuple[int, int]) -> None:
    spec = build(PrepareImages, {"source": "in", "out": "out", "size": size})
    assert (spec.height, spec.width) == shape
    assert spec.shape == (*shape, 3)
    assert build(PrepareImages, yaml.safe_load(dump(spec))) == spec


@pytest.mark.parametrize(
    "size", [7, 1025, 64.0, None, "x", "64x", "64x64x3", "8x9999", [], [64, 64, 64], ["64"]]
)
def test_an_odd_size_is_one_line(size: object) -> None:
    with pytest.raises(SpecError, match=r"^size.* expected pixels in 8\.\.1024, for example 64"):
        build(PrepareImages, {"source": "in", "out": "out", "size": size})


def test_the_schema_of_a_size_takes_what_the_spec_takes() -> None:
    kinds = PrepareImages.model_json_schema()["properties"]["size"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["integer", "array", "string"]
