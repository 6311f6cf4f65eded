"""The best look's model: what is published, and what a run goes back to.

OUT/best/step-000001000/    model.safetensors, config.json, samples.png: the model at that step
                            weights.safetensors, optimizer.safetensors: the run at that step
                            checkpoint.json: its figures; written last

A new best is a new folder; an older one is deleted once no kept checkpoint of the run speaks of it,
so a run that is killed at any moment finds the one its checkpoint means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from aigc import storage
from aigc.errors import JobError, StorageError
from aigc.families.config import ModelConfig
from aigc.specs import TrainSpec
from aigc.training import checkpoint
from aigc.training.ema import Ema, named_tensors
from aigc.training.learner import Learner
from aigc.training.looks import Look

_FOLDER = re.compile(r"step-(\d{9,})")


def folder(spec: TrainSpec, step: int) -> str:
    return storage.join(spec.out, "best", f"step-{step:09d}")


def save(
    spec: TrainSpec, config: ModelConfig, learner: Learner, ema: Ema, look: Look, sheet: bytes
) -> None:
    """Keep the run as it is at `look`."""
    uri = folder(spec, look.step)
    files = {
        "model.safetensors": save_tensors(result_tensors(learner, ema)),
        "config.json": config.model_dump_json(indent=2).encode(),
        "samples.png": sheet,
    }
    for name, data in files.items():
        storage.write_bytes(storage.join(uri, name), data)
    checkpoint.write(uri, learner, ema, look.to_json())


def result_tensors(learner: Learner, ema: Ema) -> dict[str, Tensor]:
    """What a model folder holds: the averages, and the modules published as they are."""
    return ema.tensors() | named_tensors(learner.published_raw)


def load_result(spec: TrainSpec, step: int) -> tuple[dict[str, Tensor], bytes]:
    """The model kept at `step`, and its sheet of samples.

    Raises:
        JobError: it is missing or damaged.
    """
    uri = folder(spec, step)
    try:
        tensors = load_tensors(storage.read_bytes(storage.join(uri, "model.safetensors")))
        return tensors, storage.read_bytes(storage.join(uri, "samples.png"))
    except (StorageError, SafetensorError) as error:
        raise JobError(
            f"{uri}: the best model of this run is missing or damaged ({error}); restore it, or "
            "train in another out"
        ) from None


def restore(spec: TrainSpec, learner: Learner, ema: Ema, step: int) -> None:
    """Weights, averages and optimisers as they were at `step`.

    Raises:
        JobError: they are missing or damaged.
    """
    uri = folder(spec, step)
    if checkpoint.restore(uri, learner, ema) is None:
        raise JobError(f"{uri}: missing or damaged, so the run cannot go back to it")


def prune(spec: TrainSpec, wanted: Iterable[int]) -> None:
    """Delete what is kept of other steps."""
    keep = set(wanted)
    for name in storage.folders(storage.join(spec.out, "best")):
        found = _FOLDER.fullmatch(name)
        if found and int(found[1]) not in keep:
            storage.delete_tree(storage.join(spec.out, "best", name))
