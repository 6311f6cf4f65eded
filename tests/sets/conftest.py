from __future__ import annotations

from collections.abc import Iterator

import pytest

from aigc.execution.planning import plan_job
from aigc.execution.shard_work import make_item_generator
from aigc.families.config import ModelConfig
from aigc.generation.pipeline import MakeShard
from aigc.job.plan import Job
from aigc.output import commit
from aigc.sets import manifest
from aigc.specs import GenerateSpec
from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny


class SetMaker:
    """Makes a small finished set without Ray, shard by shard in any order."""

    def __init__(self) -> None:
        self.version = publish_tiny("tiny-output")
        self.tensors = ModelStore().load(self.version)

    @property
    def config(self) -> ModelConfig:
        return self.version.config

    def start(self, out: str, **options) -> Job:
        values = {"model": self.version.ref, "out": out, "count": 100, "seed": 7}
        values |= {"micro_batch": 8, "shard_items": 32}
        spec = GenerateSpec.model_validate(values | options)
        return commit.open_job(out, plan_job(spec, self.version, "cpu", "fp32"))

    def shards(self, out: str, job: Job, numbers, encoders: int = 1) -> None:
        maker = make_item_generator(job, self.config, self.tensors, None)
        maker.encoders = encoders
        for number in numbers:
            MakeShard(job.shard(number))(maker, out, lambda count: None).close(lambda count: None)

    def finished(self, out: str, order=None, **options) -> Job:
        job = self.start(out, **options)
        self.shards(out, job, order or range(job.shards))
        manifest.finish(out, job)
        return job


@pytest.fixture(scope="session")
def sets() -> Iterator[SetMaker]:
    yield SetMaker()
