"""What gates promise: exactly as many as asked, the same whatever the workers, or a clear end."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc import storage
from aigc.data.fingerprints import fingerprint
from aigc.distributed.generate import append, regenerate, run
from aigc.distributed.prepare import run as prepare
from aigc.errors import GatesError, SpecError
from aigc.execution import rounds
from aigc.execution.job_run import JobRun
from aigc.modalities import MODALITIES
from aigc.modalities.image import decode
from aigc.modalities.image.spec import PrepareImages
from aigc.output import commit
from aigc.sets import read
from aigc.sets.manifest import status
from aigc.sets.verify import verify
from aigc.specs import AppendSpec, GenerateSpec, dump
from aigc.store import ModelStore
from tests import dying_command
from tests.integration.sets import order_of, rows, shuffled, spec
from tests.models_for_tests import publish_tiny, tiny_config, tiny_tensors

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-gates").ref


@pytest.fixture(scope="module")
def repeating() -> str:
    """A model of few pictures: one latent number counts, and tanh is driven to its ends."""
    config = tiny_config()
    tensors = tiny_tensors(config)
    tensors["sampler.root.weight"][:, 1:16] = 0
    last = max(name for name in tensors if name.endswith(".weight") and "layers" in name)
    tensors[last] = tensors[last] * 1000
    return ModelStore().publish("tiny-repeating", config, tensors).ref


@pytest.fixture(scope="module")
def gated(model, tmp_path_factory) -> tuple[str, list[str]]:
    """The digests of one gated job made by one, two and four workers, the latter two with their
    shards in another order, and two with shards of another size."""
    digests, folder = [], tmp_path_factory.mktemp("gated")
    for workers, items in ((1, 160), (2, 100), (4, 160)):
        out = str(folder / str(workers))
        asked = spec(
            model,
            out,
            shard_items=items,
            placement={"workers": workers, "cpus_per_worker": 0.5},
            include=["scores"],
            gates={"degenerate": {}, "realism": {"percentile": 20}},
        )
        with shuffled(workers) if workers > 1 else nullcontext():
            digests.append(run(asked)["content_digest"])
        assert (order_of(out) == sorted(order_of(out))) == (workers == 1)
    return str(folder / "1"), digests


def test_gates_replace_what_they_refuse_whatever_the_workers(gated) -> None:
    out, digests = gated
    assert len(set(digests)) == 1
    manifest = commit.read_manifest(out)
    assert manifest is not None
    assert manifest["items"] == 1200
    assert manifest["labels"] == {"one": 300, "three": 300, "two": 300, "zero": 300}
    refused = manifest["refused"]["realism"]
    assert 0.1 < refused / (refused + 1200) < 0.3
    found = rows(Path(out), "select min(score), count(*) filter (candidate != index) from {}")
    assert found[0][0] >= commit.read_job(out).gates.realism.threshold
    assert 150 < found[0][1] < 400
    assert verify(out)["items"] == 1200


def test_gated_items_are_made_again_byte_for_byte(gated) -> None:
    out, _ = gated
    indices = np.random.default_rng(0).choice(1200, 100, replace=False).tolist()
    stored = read.items(out, commit.read_job(out), commit.read_records(out), indices)
    assert regenerate(out, indices) == stored


def test_a_gate_that_refuses_nearly_everything_stops_the_job(model, tmp_path) -> None:
    gates = {"realism": {"threshold": 1e9}, "min_accepted": 0.05, "max_draws": 1000}
    with pytest.raises(
        GatesError, match=r"gates accept 0 of .*refused: realism.*can be used for another job"
    ):
        run(spec(model, tmp_path / "a", gates=gates))
    assert not [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    loose = spec(model, tmp_path / "a", count=100, gates={"realism": {"percentile": 5}})
    assert run(loose)["items"] == 100
    few = {"degenerate": {"min_std": 200.0}, "max_draws": 2}
    with pytest.raises(GatesError, match=r"all of gates.max_draws = 2 candidates were refused"):
        run(spec(model, tmp_path / "b", count=20, gates=few))


def test_gates_may_be_given_more_patience_later(model, tmp_path) -> None:
    """How long to try decides nothing about what is made, so it may change on the way."""
    gates = {"degenerate": {}, "max_draws": 2}
    out = str(tmp_path / "set")
    run(spec(model, out, count=400, gates=gates))
    storage.delete(commit.manifest_uri(out))
    run(spec(model, out, count=400, gates=gates | {"max_draws": 50, "min_accepted": 0.01}))
    assert commit.read_job(out).gates.max_draws == 50
    with pytest.raises(SpecError, match=r"gates.degenerate.min_std: 2.0 there, 3.0 asked"):
        run(spec(model, out, count=400, gates={"degenerate": {"min_std": 3.0}}))


def test_a_data_set_made_anew_in_its_place_is_another(model, digits_data, tmp_path) -> None:
    """It would give other verdicts. The same one elsewhere, or called otherwise, is the same."""
    data, out = tmp_path / "data", str(tmp_path / "set")
    shutil.copytree(digits_data, data)
    asked = spec(model, out, count=64, shard_items=32, gates={"memorisation": {"data": str(data)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run(with_data(asked, "data"))
    job = commit.read_job(out)
    assert job.gates.data == {"memorisation": str(data)}
    assert append(AppendSpec(out=out, to=96))["items"] == 96

    described = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(described | {"digest": "f" * 64}))
    with pytest.raises(
        SpecError, match=r"gates\.memorisation\.data = .*: digest f{12} now, .*made"
    ):
        append(AppendSpec(out=out, to=128))
    storage.write_bytes(commit.job_uri(out), job.to_json())
    storage.delete(commit.manifest_uri(out))
    storage.delete_tree(storage.join(out, "_records"))
    with pytest.raises(SpecError, match=r"gates\.memorisation\.data: digest .* there, digest ff"):
        run(asked)
    assert run(with_data(asked, digits_data))["items"] == 64
    assert commit.read_job(out).gates.data == {"memorisation": digits_data}
    shutil.rmtree(data)
    assert run(asked)["items"] == 64, "it is complete and needs no data set"


def test_what_only_a_worker_finds_wrong_leaves_the_place_free(model, tmp_path) -> None:
    for at, name in enumerate("abc"):
        (tmp_path / "raw").mkdir(exist_ok=True)
        pixels = np.random.default_rng(at).integers(0, 256, (16, 16), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "raw" / f"{name}.png")
    few, out = str(tmp_path / "few"), str(tmp_path / "set")
    prepare(PrepareImages(source=str(tmp_path / "raw"), out=few, size=16, channels=1))
    realism = {"score": "density", "data": few, "threshold": 0.5}
    with pytest.raises(SpecError, match=r"gates\.realism"):
        run(spec(model, out, count=64, gates={"realism": realism}))
    assert not list(storage.listing(out))


def test_a_second_command_that_finishes_first_is_no_fault(repeating, tmp_path, monkeypatch) -> None:
    """Who finishes a set takes its rounds away, here before the other puts a shard together. Both
    hold workers at once, so each takes half of what the session has at most."""
    gates = {"duplicates": {"near": False}, "max_draws": 200, "min_accepted": 0.0}
    half = {"workers": 1, "cpus_per_worker": 1}
    asked = spec(
        repeating, tmp_path / "set", count=120, shard_items=32, gates=gates, placement=half
    )
    assemble, digests = rounds._assemble, []

    def late(job_run: JobRun, number: int) -> None:
        monkeypatch.setattr(rounds, "_assemble", assemble)
        digests.append(run(asked)["content_digest"])
        assemble(job_run, number)

    monkeypatch.setattr(rounds, "_assemble", late)
    digests.append(run(asked)["content_digest"])
    assert verify(str(tmp_path / "set"))["content_digest"] == digests[0] == digests[1]


def with_data(asked: GenerateSpec, place: str) -> GenerateSpec:
    gates = asked.gates.with_data({"memorisation": place})
    return asked.model_copy(update={"gates": gates})


def looks(out: Path) -> list[bytes]:
    """The pixels of each item: files differ by their metadata at least, which name the item."""
    files = [row[0]["bytes"] for row in rows(out, "select image from {}")]
    return [Image.open(io.BytesIO(file), formats=["PNG"]).tobytes() for file in files]


def test_duplicates_are_found_across_shards_and_replaced(repeating, tmp_path) -> None:
    digests = set()
    for workers in (1, 2):
        out = tmp_path / str(workers)
        gates = {"duplicates": {"near": False}, "max_draws": 200, "min_accepted": 0.0}
        made = run(
            spec(
                repeating,
                out,
                count=120,
                shard_items=32,
                gates=gates,
                placement={"workers": workers},
            )
        )
        assert made["items"] == 120
        assert made["refused"]["duplicate"] > 2, "fewer in fp32 than in bf16"
        digests.add(made["content_digest"])
        assert verify(str(out))["items"] == 120
        assert not (out / "_rounds").exists()
    images = looks(out)
    assert len(images) == len(set(images)) == 120
    assert len(digests) == 1
    plain = run(spec(repeating, tmp_path / "plain", count=120, shard_items=32))
    assert plain["items"] == 120
    copies = set(looks(tmp_path / "plain"))
    assert len(copies) < 120, "the model repeats itself, or the test shows nothing"


def test_near_duplicates_are_found_across_shards_and_items_made_again(repeating, tmp_path) -> None:
    """With every gate on and briefs of two seeds."""
    table, out = tmp_path / "briefs.csv", str(tmp_path / "set")
    table.write_text("brief_id,label,count\na,one|two,70\nb,three|zero,80\n")
    gates = {"degenerate": {"max_saturated": 1.0}, "realism": {"percentile": 5}}
    gates |= {"duplicates": {"rmse": 2.0}}
    asked = spec(
        repeating,
        out,
        count=None,
        briefs=str(table),
        shard_items=32,
        gates=gates | {"max_draws": 200, "min_accepted": 0.0},
    )
    made = run(asked)
    assert (made["items"], verify(out)["items"]) == (150, 150)
    assert made["refused"]["duplicate"] > 5
    assert made["refused"]["realism"] > 0
    job, records = commit.read_job(out), commit.read_records(out)
    indices = np.random.default_rng(0).choice(150, 100, replace=False).tolist()
    assert regenerate(out, indices) == read.items(out, job, records, indices)
    assert not near_pairs(out)


def near_pairs(out: str) -> list[tuple[int, int]]:
    """Every pair of items that are near duplicates, by comparing each with each."""
    items = rows(Path(out), "select image from {} order by index")
    prints = fingerprint(
        np.stack([decode(row[0]["bytes"], 1) for row in items]), MODALITIES["image"].source
    )
    thumbnails, found = prints.thumbnail.astype(float), []
    for a, b in itertools.combinations(range(len(items)), 2):
        bits = int(prints.phash[a] ^ prints.phash[b]).bit_count()
        gap = np.sqrt(np.mean((thumbnails[a] - thumbnails[b]) ** 2))
        found += [(a, b)] if bits <= 2 and gap <= 2 else []
    return found


def test_a_model_that_only_repeats_itself_is_said(repeating, tmp_path) -> None:
    asked = spec(
        repeating,
        tmp_path / "set",
        count=4000,
        shard_items=1000,
        truncation=1e-3,
        gates={"duplicates": {}},
    )
    with pytest.raises(GatesError, match=r"are duplicates.*the model repeats itself.*is kept"):
        run(asked)


def test_rounds_go_on_from_what_is_staged_when_there_is_more_patience(repeating, tmp_path) -> None:
    def asked(out: Path, **patience: float) -> GenerateSpec:
        gates = {"duplicates": {"near": False}, **patience}
        return spec(repeating, out, count=120, shard_items=32, gates=gates)

    out, undisturbed = tmp_path / "set", tmp_path / "undisturbed"
    with pytest.raises(GatesError, match=r"item \d+: all of gates.max_draws = 1 .* is kept"):
        run(asked(out, max_draws=1))
    stopped_at = time.time()
    loosened = {"max_draws": 200, "min_accepted": 0.0}
    digest = run(asked(out, **loosened))["content_digest"]
    assert digest == run(asked(undisturbed, **loosened))["content_digest"]
    assert verify(str(out))["items"] == 120
    records = commit.read_records(str(out)).values()
    assert all(record.earlier[0][0] < stopped_at for record in records), "round 0 is not made again"


def test_a_job_in_rounds_survives_its_driver(repeating, tmp_path) -> None:
    """Killed while candidates are staged, while they are judged, while shards are put together."""
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "set"
    gates = {"duplicates": {"near": False}, "max_draws": 200, "min_accepted": 0.0}
    asked = {"count": 120, "shard_items": 16, "gates": gates}
    expected = run(spec(repeating, undisturbed, **asked))["content_digest"]
    document = tmp_path / "spec.yaml"
    document.write_text(dump(spec(repeating, out, **asked)))
    for sign in ("_rounds/0/*.json", "_rounds/0/refused.npy", "_records/*.json"):
        assert dying_command.died(str(out), sign, 1, "generate", "--spec", str(document))
        assert status(str(out))["rounds"]["made"] > 0
    made = run(spec(repeating, out, **asked))
    assert made["content_digest"] == expected
    assert verify(str(out))["items"] == 120
    assert not (out / "_rounds").exists()
