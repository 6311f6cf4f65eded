"""Saving and restoring a run, locally or on S3.

OUT/run.json                        what the run is; another spec on the same folder is refused
OUT/checkpoints/step-000001000/     weights.safetensors, optimizer.safetensors, checkpoint.json

`checkpoint.json` is written last and holds the digests of the others: without it, or when one does
not match, the folder is not a checkpoint and the one before it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn, optim

from aigc import storage
from aigc.errors import DamagedError, JobError, SpecError, StorageError
from aigc.specs import TrainSpec
from aigc.training.ema import Ema
from aigc.training.learner import Learner
from aigc.types import Json

_MARKER = "checkpoint.json"
_WEIGHTS = "weights.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_NOT_IDENTITY: dict[str, Any] = {
    "data": True,
    "steps": True,
    "max_seconds": True,
    "placement": True,
    "publish": True,
    "synonyms": True,
    "reasons": True,
    "preset": True,
    "out": True,
    "log_every": True,
    "sample_every": True,
    "checkpoint_every_s": True,
    "keep_checkpoints": True,
    "watch": {"publish_collapsed": True},
}
"""Fields that may differ when a run is resumed: limits, places (the data are known by their
digest), how often to report, what prompts may say and whether a collapsed model is published."""


@dataclass(frozen=True)
class Checkpoint:
    uri: str
    state: Json
    """What the loop gave to `save`."""


def claim(spec: TrainSpec, data_digest: str) -> None:
    """Mark OUT as this run's, or see that it already is.

    Raises:
        SpecError: OUT holds a run with other settings or other data.
    """
    uri = storage.join(spec.out, "run.json")
    ours = spec.model_dump(mode="json", exclude=_NOT_IDENTITY) | {"data_digest": data_digest}
    if storage.create(uri, json.dumps(ours, indent=2, sort_keys=True).encode()):
        return
    theirs = read_json(uri)
    if theirs is None:
        raise SpecError(f"{uri}: not written by a training run; choose another out")
    differing = sorted(_differences(theirs, ours))
    if differing:
        raise SpecError(
            f"{spec.out} holds a run with other settings ({'; '.join(differing[:3])}); "
            "choose another out, or the settings it began with"
        )


def save(spec: TrainSpec, learner: Learner, ema: Ema, state: Json) -> str:
    """Write a checkpoint, drop all but the newest `keep_checkpoints`, return its URI."""
    uri = storage.join(spec.out, "checkpoints", f"step-{state['step']:09d}")
    write(uri, learner, ema, state)
    _drop_others(spec, uri.rsplit("/", 1)[1])
    return uri


def write(uri: str, learner: Learner, ema: Ema, state: Json) -> None:
    """One checkpoint at `uri`, its marker last."""
    files = {
        _WEIGHTS: save_tensors(_weights(learner, ema)),
        _OPTIMIZER: save_tensors(_optimizer_tensors(learner)),
    }
    for name, data in files.items():
        storage.write_bytes(storage.join(uri, name), data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    marker = json.dumps({"state": state, "sha256": digests}, indent=2, sort_keys=True)
    storage.write_bytes(storage.join(uri, _MARKER), marker.encode())


def restore_latest(spec: TrainSpec, learner: Learner, ema: Ema) -> Checkpoint | None:
    """Load the newest whole checkpoint into `learner` and `ema`; None when there is none."""
    for name in reversed(_names(spec)):
        found = restore(storage.join(spec.out, "checkpoints", name), learner, ema)
        if found:
            return found
    return None


def restore(uri: str, learner: Learner, ema: Ema) -> Checkpoint | None:
    """Load the checkpoint at `uri` into `learner` and `ema`; None when it is not whole."""
    marker = read_json(storage.join(uri, _MARKER))
    files = _verified_files(uri, marker) if marker else None
    if not marker or not files:
        return None
    _load(learner, ema, load_tensors(files[_WEIGHTS]), load_tensors(files[_OPTIMIZER]))
    return Checkpoint(uri, marker["state"])


def kept_states(spec: TrainSpec) -> list[Json]:
    """What each checkpoint says of the run, oldest first, without reading its weights."""
    markers = [
        read_json(storage.join(spec.out, "checkpoints", name, _MARKER)) for name in _names(spec)
    ]
    return [marker["state"] for marker in markers if marker]


def newest_state(spec: TrainSpec) -> Json | None:
    """What the newest checkpoint says of the run, without reading its weights."""
    states = kept_states(spec)
    return states[-1] if states else None


def latest_uri(spec: TrainSpec) -> str | None:
    """Where the newest checkpoint lies, whole or not; None when there is none."""
    names = _names(spec)
    return storage.join(spec.out, "checkpoints", names[-1]) if names else None


def read_json(uri: str) -> Json | None:
    """The JSON object at `uri`; None when nothing is there, or something else."""
    with contextlib.suppress(DamagedError):
        return storage.read_json(uri)
    return None


def _drop_others(spec: TrainSpec, newest: str) -> None:
    """Keep `newest` and those before it, but none later: a later one was found damaged."""
    names = _names(spec)
    until = names.index(newest) + 1
    for name in names[: max(0, until - spec.keep_checkpoints)] + names[until:]:
        storage.delete_tree(storage.join(spec.out, "checkpoints", name))


def _names(spec: TrainSpec) -> list[str]:
    folders = storage.folders(storage.join(spec.out, "checkpoints"))
    return [name for name in folders if name.startswith("step-")]


def _weights(learner: Learner, ema: Ema) -> dict[str, Tensor]:
    live = _named(learner.modules)
    return {f"live.{key}": _plain(value) for key, value in live.items()} | {
        f"ema.{key}": value for key, value in ema.tensors().items()
    }


def _optimizer_tensors(learner: Learner) -> dict[str, Tensor]:
    return {
        f"{name}.{index}.{key}": _plain(value)
        for name, optimizer in learner.optimizers.items()
        for index, parameter in enumerate(_parameters(optimizer))
        for key, value in optimizer.state[parameter].items()
    }


def _load(
    learner: Learner, ema: Ema, weights: dict[str, Tensor], optimizer: dict[str, Tensor]
) -> None:
    expected = {f"live.{key}": value for key, value in _named(learner.modules).items()}
    expected |= {f"ema.{key}": value for key, value in _named(ema.modules).items()}
    if set(expected) != set(weights):
        raise JobError("the checkpoint was written by another version of the networks")
    with torch.no_grad():
        for key, value in expected.items():
            value.copy_(weights[key])
    for owner in learner.optimizers.values():
        owner.state.clear()
    parameters = {
        (name, index): (owner, parameter)
        for name, owner in learner.optimizers.items()
        for index, parameter in enumerate(_parameters(owner))
    }
    for path, value in optimizer.items():
        name, index, key = path.rsplit(".", 2)
        owner, parameter = parameters[name, int(index)]
        owner.state[parameter][key] = _like(parameter, value)


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the parameter's memory layout and device: fused Adam walks both in step."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _named(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def _parameters(optimizer: optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()


def _verified_files(uri: str, marker: Json) -> dict[str, bytes] | None:
    files: dict[str, bytes] = {}
    for name, digest in marker["sha256"].items():
        try:
            files[name] = storage.read_bytes(storage.join(uri, name))
        except StorageError:
            return None
        if hashlib.sha256(files[name]).hexdigest() != digest:
            return None
    return files


def _differences(theirs: Json, ours: Json, prefix: str = "") -> list[str]:
    found: list[str] = []
    for key in {*theirs, *ours}:
        before, now = theirs.get(key), ours.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            found += _differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found.append(f"{prefix}{key}: {before!r} there, {now!r} here")
    return found
