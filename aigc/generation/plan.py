"""What a job is: everything an item depends on, and how its indices fall into shards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aigc.errors import JobError
from aigc.models.config import ModelConfig
from aigc.specs import Codec, GenerateSpec, Seed, Spec
from aigc.types import Shard

_TARGET_FILE_BYTES = 256 * 2**20
_MIN_SHARDS = 16
_MIN_BATCHES = 8


class Job(Spec):
    """Written once beside the output as `_job.json`. A rerun must agree with it in every field."""

    format: Literal[1] = 1
    model: str
    """name@version."""
    model_uri: str
    model_digest: str
    count: int = Field(ge=1)
    seed: Seed
    pattern: tuple[int, ...]
    """Item i has the class index pattern[i % len(pattern)]; empty when unconditional."""
    labels: tuple[str, ...]
    truncation: float | None
    codec: Codec
    quality: int
    precision: Literal["bf16", "fp32"]
    device: Literal["cpu", "cuda"]
    micro_batch: int
    shard_items: int
    embed_provenance: bool
    height: int
    width: int
    channels: Literal[1, 3]

    @property
    def shards(self) -> int:
        return -(-self.count // self.shard_items)

    def shard(self, number: int) -> Shard:
        start = number * self.shard_items
        return Shard(number, start, min(start + self.shard_items, self.count))

    def plan(self) -> Iterator[Shard]:
        return map(self.shard, range(self.shards))

    def item_id(self, index: int) -> str:
        """Stable over reruns and workers: model, seed and index say what the item is."""
        return f"{self.model_digest[:12]}-{self.seed}-{index:012d}"

    def to_json(self) -> bytes:
        return json.dumps(self.model_dump(mode="json"), indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Job:
        try:
            return cls.model_validate_json(data)
        except ValueError:
            raise JobError(f"{where}: not a job of this version of aigc") from None

    def differences(self, other: Job) -> list[str]:
        """Fields in which `other` asks for something else, as 'seed: 1 there, 2 asked'."""
        mine, theirs = self.model_dump(mode="json"), other.model_dump(mode="json")
        return [
            f"{name}: {_short(mine[name])} there, {_short(theirs[name])} asked"
            for name in mine
            if mine[name] != theirs[name] and name != "model_uri"
        ]


def shard_items(spec: GenerateSpec, config: ModelConfig) -> int:
    """Items a shard: files near 256 MB, yet at least 16 shards a job, whole micro-batches each."""
    if spec.shard_items:
        wanted = spec.shard_items
    else:
        item_bytes = max(256, config.height * config.width * config.channels * 3 // 4)
        wanted = min(_TARGET_FILE_BYTES // item_bytes, -(-spec.count // _MIN_SHARDS))
        wanted = max(wanted, _MIN_BATCHES * spec.micro_batch)
    return -(-wanted // spec.micro_batch) * spec.micro_batch


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
