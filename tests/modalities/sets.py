"""Small sets of any modality, made in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aigc.distributed import generate
from aigc.output import commit
from aigc.sets import read
from aigc.specs import GenerateSpec
from aigc.store import ModelVersion


def made(out: Path, version: ModelVersion, count: int, **fields: Any) -> list[bytes]:
    """The files of a new set of `count` items, or of the briefs that `fields` name."""
    asked = {"model": version.ref, "out": str(out), "micro_batch": 8, "seed": 3, "shard_items": 8}
    asked |= {"placement": {"workers": 1}} | ({} if "briefs" in fields else {"count": count})
    generate.run(GenerateSpec.model_validate(asked | fields))
    place = str(out)
    job = commit.read_job(place)
    found = read.items(place, job, commit.read_records(place), range(job.count))
    return [found[at] for at in range(job.count)]
