"""Sounds that networks make as spectrograms: the same set whatever is done to the job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from aigc.families.config import ModelConfig
from aigc.families.networks import build_encoder, build_sampler
from aigc.families.vae import VaeModel
from aigc.output import commit
from aigc.sets.verify import verify
from aigc.store import ModelStore
from tests.faults.jobs import Job, kill_driver, leftovers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SHARDS, SHARD_ITEMS = 24, 8
ITEMS = SHARDS * SHARD_ITEMS
GATES = ("--set", "gates.degenerate.silence_db=-70")

MakeJob = Callable[..., Job]


def published() -> str:
    """A VAE of spectrograms with random weights, clips of a quarter of a second."""
    config = ModelConfig(
        modality="audio",
        architecture=VaeModel(width=4, latent_dim=16, prior="standard"),
        samples=2000,
        rate_hz=8000,
        channels=1,
        labels=("kick", "snare"),
    )
    generator = torch.Generator().manual_seed(3)
    modules = {"sampler": build_sampler(config), "encoder": build_encoder(config)}
    for module in modules.values():
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    tensors = {
        f"{part}.{key}": tensor.contiguous()
        for part, module in modules.items()
        for key, tensor in module.state_dict().items()
    }
    return str(ModelStore().publish("drums-faults", config, tensors).ref)


@pytest.fixture(scope="module")
def make_job(tmp_path_factory: pytest.TempPathFactory) -> MakeJob:
    """Jobs of the same items in fresh folders, on one worker unless said otherwise."""
    pytest.importorskip("soundfile")
    model, root = published(), tmp_path_factory.mktemp("sounds")

    def make(name: str, *arguments: str) -> Job:
        sizes = ("--count", str(ITEMS), "--set", f"shard_items={SHARD_ITEMS}")
        passes = ("--set", f"micro_batch={SHARD_ITEMS}", "--workers", "1", *GATES)
        out, temp = str(root / name / "set"), root / name / "temp"
        return Job(model, ModelStore().uri, out, temp, arguments=(*sizes, *passes, *arguments))

    return make


@pytest.fixture(scope="module")
def undisturbed(make_job: MakeJob) -> Job:
    job = make_job("undisturbed")
    job.again()
    return job


def digest(job: Job) -> str:
    """Of the finished set, all of whose sounds are decoded."""
    found = verify(job.out, decode_items=ITEMS)
    assert found["decoded"] == ITEMS
    assert not leftovers(job)
    return str(found["content_digest"])


def files(job: Job) -> set[str]:
    return {record.sha256 for record in commit.read_records(job.out).values()}


def test_four_workers_make_the_same_set(undisturbed: Job, make_job: MakeJob) -> None:
    four = make_job("four", "--workers", "4", "--set", "placement.cpus_per_worker=0.25")
    four.again()
    assert digest(four) == digest(undisturbed)
    assert len(files(four)) == SHARDS
    assert files(four) == files(undisturbed)


@pytest.mark.parametrize("records", [0, pytest.param(SHARDS // 3, marks=pytest.mark.faults)])
def test_a_killed_job_ends_in_the_same_set(
    undisturbed: Job, make_job: MakeJob, records: int
) -> None:
    job = make_job(f"killed-{records}")
    process = job.start()
    job.wait_for(process, records)
    kill_driver(process)
    job.again()
    assert digest(job) == digest(undisturbed)
    assert {f"data/{path.name}" for path in (Path(job.out) / "data").iterdir()} == {
        record.file for record in commit.read_records(job.out).values()
    }
