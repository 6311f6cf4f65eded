"""Roofline: the items per second of this machine without scheduling, identity or checks.

The same forward pass, encoder and Parquet writer in plain processes: no cluster, no identity, no
commit, no checks. What bulk generation reaches is measured against it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from aigc import arrow
from aigc.families.config import ModelConfig
from aigc.families.protocol import Decodes, Device, InferenceConfig, Points, Precision
from aigc.generation.prefetch import prefetch
from aigc.modalities.image import encode, to_pixels
from aigc.specs import Codec
from aigc.types import UInt8Images

_START_S = 120.0
_ROW_GROUP_BATCHES = 64


@dataclass(frozen=True)
class RooflineLoad:
    """Size and resources of a run."""

    items: int
    processes: int
    threads: int
    batch: int
    precision: Precision
    device: Device
    codec: Codec = "png"
    quality: int = 90


@dataclass(frozen=True)
class StageTimes:
    """Seconds of one process by stage; what is left of its time is Python. With a GPU those of all
    threads that encode, beside the forward passes."""

    forward_s: float
    encode_s: float
    write_s: float


def measure(
    config: ModelConfig, tensors: dict[str, torch.Tensor], load: RooflineLoad
) -> tuple[float, StageTimes]:
    """(items a second, mean seconds by stage) from when every process is ready to the last file.

    Raises:
        RuntimeError: a process failed.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(load.processes + 1)
    results: Any = context.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="aigc-roofline-") as folder:
        weights = Path(folder) / "weights.pt"
        torch.save(tensors, weights)
        workers = [
            context.Process(
                target=_work, args=(config, weights, load, Path(folder), at, barrier, results)
            )
            for at in range(load.processes)
        ]
        for worker in workers:
            worker.start()
        barrier.wait(_START_S)
        started = time.perf_counter()
        for worker in workers:
            worker.join()
        took_s = time.perf_counter() - started
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a roofline process failed")
    stages = [results.get() for _ in workers]
    mean = StageTimes(*(float(np.mean([getattr(s, name) for s in stages])) for name in _STAGES))
    return load.items / took_s, mean


_STAGES = ("forward_s", "encode_s", "write_s")


def _work(
    config: ModelConfig,
    weights: Path,
    load: RooflineLoad,
    folder: Path,
    at: int,
    barrier: Any,
    results: Any,
) -> None:
    torch.set_num_threads(load.threads)
    if load.device == "cuda":
        torch.cuda.set_device(at % torch.cuda.device_count())
    inference = InferenceConfig(load.batch, load.precision, load.device)
    generator = config.family.load(config, torch.load(weights, weights_only=True), inference)
    assert isinstance(generator, Decodes)
    dim = generator.latent_dim
    labels = torch.arange(load.batch) % max(1, len(config.labels))
    condition = labels.to(load.device) if config.conditional else None

    def forward() -> UInt8Images:
        z = torch.randn(load.batch, dim, device=load.device)
        return to_pixels(generator.decode(Points(z, condition)))

    with torch.inference_mode(), pq.ParquetWriter(folder / f"{at}.parquet", _SCHEMA) as writer:
        for _ in range(3):
            encode(forward(), load.codec, load.quality)
        barrier.wait(_START_S)
        stages = _make(load, forward, arrow.numbers(labels.numpy()), writer)
    results.put(stages)


_SCHEMA = pa.schema([("image", pa.binary()), ("label", pa.int64())])
_clock = time.perf_counter


def _make(
    load: RooflineLoad,
    forward: Callable[[], UInt8Images],
    labels: pa.Array,
    writer: pq.ParquetWriter,
) -> StageTimes:
    """All batches of one process, files encoded where and when `aigc generate` does."""
    forward_s = encode_s = write_s = 0.0
    batches = -(-load.items // (load.processes * load.batch))

    def rendered() -> Iterator[UInt8Images]:
        nonlocal forward_s
        for _ in range(batches):
            begun = _clock()
            pixels = forward()
            forward_s += _clock() - begun
            yield pixels

    def encoded(pixels: UInt8Images) -> tuple[list[bytes], float]:
        begun = _clock()
        return encode(pixels, load.codec, load.quality), _clock() - begun

    pending: list[pa.RecordBatch] = []
    for number, (files, took_s) in enumerate(prefetch(encoded, rendered(), encoders(load))):
        begun = _clock()
        pending.append(pa.RecordBatch.from_arrays([arrow.files(files), labels], schema=_SCHEMA))
        if len(pending) == _ROW_GROUP_BATCHES or number == batches - 1:
            writer.write_table(pa.Table.from_batches(pending))
            pending = []
        encode_s, write_s = encode_s + took_s, write_s + _clock() - begun
    return StageTimes(forward_s, encode_s, write_s)


def encoders(load: RooflineLoad) -> int:
    """Encoding threads of a process, as in `aigc generate`: concurrent with a GPU, after a CPU."""
    return 1 if load.device == "cpu" else max(2, load.threads)
