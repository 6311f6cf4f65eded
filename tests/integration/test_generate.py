"""`aigc generate` on real Ray, on disks and on a real S3 server, killed and rerun."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from aigc import storage
from aigc.distributed import runtime
from aigc.distributed.generate import append, dry_run, regenerate, run
from aigc.errors import PlacementError, SpecError, StorageError
from aigc.execution import estimate
from aigc.output import commit
from aigc.sets.verify import verify
from aigc.specs import AppendSpec, GenerateSpec, Placement
from tests import dying_command
from tests.command_line import aigc
from tests.integration.sets import order_of, shuffled
from tests.models_for_tests import publish_tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-bulk").ref


def spec(model: str, out: str, **options) -> GenerateSpec:
    values = {"model": model, "out": out, "count": 2000, "seed": 7, "micro_batch": 16}
    return GenerateSpec.model_validate(values | {"shard_items": 250} | options)


@pytest.fixture(scope="module")
def whole(model: str, ray_session: None, tmp_path_factory) -> Path:
    """The set when nothing goes wrong."""
    out = tmp_path_factory.mktemp("undisturbed") / "set"
    run(spec(model, str(out), placement=Placement(workers=2)))
    return out


@pytest.fixture(scope="module")
def undisturbed(whole: Path) -> str:
    manifest = commit.read_manifest(str(whole))
    assert manifest is not None
    return str(manifest["content_digest"])


def test_any_workers_in_any_order_make_the_same_set(
    model, ray_session, undisturbed, tmp_path
) -> None:
    """Here of four workers; those of the undisturbed set are two."""
    out = str(tmp_path / "set")
    with shuffled(4):
        made = run(spec(model, out, placement=Placement(workers=4, cpus_per_worker=0.5)))
    assert order_of(out) != sorted(order_of(out))
    assert made["content_digest"] == undisturbed
    assert made["labels"] == {"one": 500, "three": 500, "two": 500, "zero": 500}
    assert verify(out)["items"] == 2000


def test_rounds_briefs_and_growth_are_the_same_on_ray_as_here(
    model, ray_session, tmp_path, monkeypatch
) -> None:
    """The other modules of generation run jobs in processes of this machine."""
    table = tmp_path / "briefs.csv"
    table.write_text("brief_id,label,count\na,one|two,170\nb,three|zero,180\n")
    gates = {"degenerate": {}, "realism": {"percentile": 20}}
    rounds = gates | {"duplicates": {"near": False}, "max_draws": 200}
    asked = {"count": None, "briefs": str(table), "gates": rounds, "shard_items": 100}
    one = Placement(workers=1)

    def grown(name: str, to: int) -> str:
        out = str(tmp_path / name)
        return str(append(AppendSpec(out=out, to=to, placement=one))["content_digest"])

    monkeypatch.setattr(estimate, "PROBE_S", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "is_on_cluster", lambda address: False)
        here = run(spec(model, str(tmp_path / "rounds here"), **asked))["content_digest"]
        for name in ("grown here", "grown on ray"):
            run(spec(model, str(tmp_path / name), count=300, gates=gates))
        grown_here = grown("grown here", 400)
    assert run(spec(model, str(tmp_path / "rounds on ray"), **asked))["content_digest"] == here
    assert grown("grown on ray", 400) == grown_here
    probe = spec(model, str(tmp_path / "probe"), count=1000, placement=one)
    assert dry_run(probe)["probe"]["items"] > 0


def test_a_rerun_does_nothing_and_another_seed_is_refused(model, whole) -> None:
    out, notices = str(whole), []
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    run(spec(model, out), notice=notices.append)
    assert "already complete" in notices[0]
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    with pytest.raises(SpecError, match="seed: 7 there, 8 asked"):
        run(spec(model, out, seed=8))


def test_regenerated_items_equal_the_stored_bytes(whole) -> None:
    from aigc.sets import read

    out = str(whole)
    indices = sorted(random.SystemRandom().sample(range(2000), 100))
    stored = read.items(out, commit.read_job(out), commit.read_records(out), indices)
    assert regenerate(out, indices) == stored


def test_s3_gives_the_same_set_as_a_disk(model, ray_session, undisturbed, s3_uri, tmp_path) -> None:
    import duckdb
    import pyarrow.dataset as ds
    import pyarrow.fs as pafs
    from datasets import load_dataset

    out = storage.join(s3_uri, "sets", "one")
    made = run(spec(model, out))
    assert made["content_digest"] == undisturbed
    assert verify(out)["content_digest"] == undisturbed
    filesystem, path = pafs.FileSystem.from_uri(out)
    rows = ds.dataset(f"{path}/data", filesystem=filesystem).to_table()  # noqa: F841
    counts = duckdb.sql("select label, count(*) from rows group by 1 order by 1").fetchall()
    assert counts == [(0, 500), (1, 500), (2, 500), (3, 500)]
    for entry in storage.listing(storage.join(out, "data")):
        (tmp_path / entry.key).write_bytes(storage.read_bytes(entry.uri))
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "*.parquet"), cache_dir=str(tmp_path / "c")
    )["train"]
    assert loaded[1]["image"].size == (16, 16)
    assert loaded.features["label"].names[loaded[1]["label"]] == "one"


def test_bad_places_are_one_line_each(model, s3_uri, tmp_path, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StorageError, match=r"is a file; choose a folder"):
        run(spec(model, str(blocked / "set")))
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'"):
        run(spec(model, "s3://no-such-bucket/set"))
    from aigc.storage import _s3_client

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match=r"SignatureDoesNotMatch: .*check AWS_SECRET"):
        run(spec(model, storage.join(s3_uri, "set")))


def test_what_can_never_be_placed_is_said_at_once(model, ray_session, tmp_path) -> None:
    with pytest.raises(PlacementError, match=r"no node has capacity .*64 CPU.*has 2 CPU"):
        run(spec(model, str(tmp_path / "a"), placement=Placement(cpus_per_worker=64)))
    with pytest.raises(PlacementError, match=r"gpus_per_worker|1 GPU"):
        run(spec(model, str(tmp_path / "b"), placement=Placement(gpus_per_worker=1)))
    with pytest.raises(PlacementError, match="capacity for 2 worker"):
        run(spec(model, str(tmp_path / "c"), placement=Placement(workers=3)))
    assert not list(tmp_path.iterdir())


def test_a_busy_cluster_is_waited_for_and_then_said(model, ray_session, tmp_path) -> None:
    import ray

    @ray.remote(num_cpus=2)
    class Hog:
        def up(self) -> bool:
            return True

    hog: Any = Hog.remote()  # type: ignore[attr-defined]
    ray.get(hog.up.remote())
    try:
        with pytest.raises(PlacementError, match="the cluster is busy"):
            run(spec(model, str(tmp_path / "a"), placement=Placement(startup_timeout_s=2)))
    finally:
        ray.kill(hog)


def test_a_killed_worker_is_replaced(model, ray_session, undisturbed, tmp_path) -> None:
    out, notices, killed = str(tmp_path / "set"), [], []

    def kill_one(done: float, total: float, **_: object) -> None:
        if done and not killed:
            killed.extend(worker_pids()[:1])
            os.kill(killed[0], signal.SIGKILL)

    made = run(spec(model, out, micro_batch=16), report=kill_one, notice=notices.append)
    assert killed
    assert any("trying again" in notice for notice in notices)
    assert made["content_digest"] == undisturbed
    assert verify(out)["items"] == 2000


def worker_pids() -> list[int]:
    import psutil

    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any("WorkerActor" in part for part in process.info["cmdline"] or [])
        and os.getpid() in [parent.pid for parent in process.parents()]
    ]


@pytest.mark.parametrize("where", ["disk", "s3"])
def test_a_killed_driver_is_resumed_by_the_same_command(
    where: str, model: str, undisturbed: str, s3_uri: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(runtime, "is_on_cluster", lambda address: False)
    out = str(tmp_path / "set") if where == "disk" else storage.join(s3_uri, "set")
    words = ["generate", model, "--count", "2000", "--seed", "7", "--out", out]
    words += ["--set", "micro_batch=16", "--set", "shard_items=250", "--workers", "1"]
    assert dying_command.died(out, "_records/*", 2, *words)
    assert 2 <= len(commit.read_records(out)) < 8
    assert commit.read_manifest(out) is None
    code, _, said = aigc(capsys, *words)
    assert code == 0, said
    assert "resuming:" in said
    assert undisturbed in said
    assert verify(out)["content_digest"] == undisturbed
