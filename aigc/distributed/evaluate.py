"""Evaluation of a stored model: make the samples, take the figures, write the report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aigc import storage
from aigc.data.dataset import Dataset, open_dataset
from aigc.data.spool import empty_items
from aigc.distributed.address import named
from aigc.distributed.cluster_backend import ClusterBackend
from aigc.distributed.session import connect
from aigc.errors import DamagedError, SpecError, listed
from aigc.evaluation import evaluate, planned_images
from aigc.execution import other_data
from aigc.execution.pool import WorkerPool
from aigc.families.config import ModelConfig
from aigc.families.protocol import InferenceConfig
from aigc.generation.engine import Engine
from aigc.job.keys import keys_of
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items
from aigc.modalities.learning import default_device
from aigc.specs import EvaluateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Labels, Notice, Report, no_notice, silent

REPORT, PAGE = "report.json", "report.png"
METRICS = "metrics.json"


def run(
    spec: EvaluateSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = no_notice,
) -> Json:
    """Evaluate `spec.model` on `spec.data`: writes report.json and report.png to `spec.out`, and
    beside the model if `spec.publish`. Returns the report.

    In this process, or as one worker of the cluster at `address` or RAY_ADDRESS.

    Raises:
        SpecError, DataError, StoreError, StorageError, PlacementError, JobError: one line each.
    """
    store = ModelStore()
    version = store.resolve(spec.model)
    dataset = open_dataset(spec.data)
    check_model(version.config, dataset)
    planned_images(dataset, spec)
    storage.require_writable(spec.out)
    if other_data.is_other(version.config, dataset):
        notice(other_data.in_words(version.config, dataset))
    gone = left_out(version.config, dataset)
    if gone:
        names = listed([f"{name} ({why})" for name, why in gone.items()])
        notice(f"no samples are made of {names}; real pictures of all classes are compared with")
    if named(address):
        found, page = _on_cluster(spec, version, address, report, notice)
    else:
        found, page = evaluate_model(spec, version, report)
    _write(spec, store, version, found, page)
    return found


def reuse_or_run(
    spec: EvaluateSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = no_notice,
) -> Json:
    """The report in `spec.out` if it is of this spec, this very model and data, else a new one."""
    uri = storage.join(spec.out, REPORT)
    found: Json | None = None
    with contextlib.suppress(DamagedError):
        found = storage.read_json(uri)
    same = found is not None and found.get("spec") == spec.model_dump(mode="json")
    digests = ModelStore().resolve(spec.model).digest, open_dataset(spec.data).digest
    if found and same and (found["model"]["digest"], found["data"]["digest"]) == digests:
        notice(f"{uri} is of this model already")
        return found
    return run(spec, address, report, notice)


def check_model(config: ModelConfig, dataset: Dataset) -> None:
    """Raises SpecError when the model's items or labels have no counterpart in the data."""
    kind = MODALITIES[config.modality]
    if config.modality != dataset.modality:
        others = MODALITIES[dataset.modality].title
        raise SpecError(f"the model makes {kind.title}, {dataset.uri} holds {others}")
    found = kind.learning.unlike(config.item, dataset.item)
    if found:
        made, others, how = found
        raise SpecError(
            f"the model makes {kind.title} of {made}, {dataset.uri} has {others}; prepare the data "
            f"with {how}"
        )
    unknown = [name for name in config.labels if name not in dataset.labels]
    if config.conditional and dataset.labels and unknown:
        raise SpecError(
            f"the model makes {unknown[0]!r}, {dataset.uri} has no such class, only "
            f"{listed(dataset.labels)}; evaluate on the data it was trained on"
        )


def evaluate_model(
    spec: EvaluateSpec, version: ModelVersion, report: Report = silent
) -> tuple[Json, bytes]:
    """The report and its page, in this process."""
    dataset = open_dataset(spec.data)
    if spec.inception_weights:
        version.config.learning.inception(spec.inception_weights)
    tensors = ModelStore().load(version)
    total = spec.samples + planned_images(dataset, spec)

    def sampled(done: int) -> None:
        report(done, total, stage="samples")

    items, labels = make_samples(spec, version.config, tensors, dataset, sampled)
    known = labels if dataset.labels else None
    other = other_data.of(version, dataset)
    remarks = [] if other is None else [other.note]
    found = evaluate(items, known, dataset, spec, report, spec.samples, remarks)
    about = {"ref": version.ref, "uri": version.uri, "digest": version.digest}
    figures: Json = {"model": about} | found.figures | {"spec": spec.model_dump(mode="json")}
    figures["left_out"] = left_out(version.config, dataset)
    if other is not None:
        figures["other_data"] = {"digest": other.digest, "test_items_trained_on": other.seen}
    family = version.config.architecture.family.upper()
    subtitle = (
        f"{family}, {dataset.kind.in_words(version.config.item)}, digest {version.digest[:12]} "
        f"· evaluated on {dataset.source}"
    )
    return figures, found.page(version.ref, subtitle)


def make_samples(
    spec: EvaluateSpec,
    config: ModelConfig,
    tensors: dict[str, torch.Tensor],
    dataset: Dataset,
    seen: Callable[[int], None],
) -> tuple[Items, Labels | None]:
    """`spec.samples` items, labels in the test split's shares, as indices into the data's labels.

    Without labels the model has none or takes none.
    """
    asked = asked_labels(config, dataset, spec.samples, spec.seed)
    inference = InferenceConfig(device=default_device())
    engine = Engine(config, tensors, inference)
    conditions = {} if asked is None else {"label": asked}
    keys = keys_of(spec.seed, np.arange(spec.samples, dtype=np.int64), conditions)
    shape = (spec.samples, *config.item.shape)
    items = empty_items(shape, spec.memory_bytes, config.item.dtype)
    for start in range(0, spec.samples, inference.micro_batch):
        rows = slice(start, min(start + inference.micro_batch, spec.samples))
        items[rows] = engine.render(keys[rows]).items
        seen(rows.stop)
    if asked is None or not dataset.labels:
        return items, None
    return items, np.array([dataset.labels.index(name) for name in config.labels])[asked]


def asked_labels(config: ModelConfig, dataset: Dataset, count: int, seed: int) -> Labels | None:
    """(count,) class indices of the model, in random order: each class as often as in the test
    split, or equally often if that has no classes; none without training pictures. None for an
    unconditional model."""
    if not config.conditional:
        return None
    weights = _weights(config, dataset)
    exact = weights / weights.sum() * count
    items = np.floor(exact).astype(np.int64)
    items[np.argsort(items - exact, kind="stable")[: count - items.sum()]] += 1
    every = np.repeat(np.arange(len(items), dtype=np.int64), items)
    return np.random.default_rng(seed).permutation(every)


def left_out(config: ModelConfig, dataset: Dataset) -> dict[str, str]:
    """The data's classes of which no samples are made, and why; {} for an unconditional model."""
    if not config.conditional or not dataset.labels:
        return {}
    weights = dict(zip(config.labels, _weights(config, dataset), strict=True))

    def reason(name: str) -> str:
        if name not in weights:
            return "the model does not know it"
        return "no training pictures" if name in config.untrained else "no test pictures"

    return {name: reason(name) for name in dataset.labels if not weights.get(name)}


def _weights(config: ModelConfig, dataset: Dataset) -> npt.NDArray[np.float64]:
    """How often each of the model's labels is asked for, not yet of a sum of 1."""
    found = dataset.per_class["test"] if dataset.labels else {}
    usual = np.array([float(name in config.usual) for name in config.labels])
    weights = usual * [float(found.get(name, 0)) for name in config.labels]
    return weights if weights.sum() else usual


@dataclass(frozen=True)
class _Unit:
    """The one unit of work; its text stands in messages."""

    spec: EvaluateSpec
    version: ModelVersion

    def __str__(self) -> str:
        return f"evaluation of {self.version.ref}"


def _setup(threads: int) -> Callable[[_Unit, Callable[[float], None]], tuple[Json, bytes]]:
    """Made in the worker: evaluates, and says how many images it has seen since it last did."""
    torch.set_num_threads(threads)

    def run(unit: _Unit, on_images: Callable[[float], None]) -> tuple[Json, bytes]:
        seen = 0.0

        def note(done: float, total: float, **_: object) -> None:
            nonlocal seen
            on_images(done - seen)
            seen = done

        return evaluate_model(unit.spec, unit.version, note)

    return run


def _on_cluster(
    spec: EvaluateSpec,
    version: ModelVersion,
    address: str | None,
    report: Report,
    notice: Notice,
) -> tuple[Json, bytes]:
    total = spec.samples + planned_images(open_dataset(spec.data), spec)
    results: list[tuple[Json, bytes]] = []
    with connect(address):
        placement = spec.placement.model_copy(update={"workers": 1})
        with WorkerPool(ClusterBackend(_setup, placement), placement, notice) as pool:
            pool.run(
                [_Unit(spec, version)],
                1,
                results.append,
                lambda images: report(min(images, total), total),
            )
    return results[0]


def _write(
    spec: EvaluateSpec, store: ModelStore, version: ModelVersion, found: Json, page: bytes
) -> None:
    text = (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()
    storage.write_bytes(storage.join(spec.out, PAGE), page)
    storage.write_bytes(storage.join(spec.out, REPORT), text)
    if not spec.publish:
        return
    kept = json.loads(store.read_extra(version, METRICS) or b"{}")
    metrics = kept | {name: figure["model"] for name, figure in found["figures"].items()}
    metrics |= {f"{name}_floor": figure["floor"] for name, figure in found["figures"].items()}
    metrics |= {name: found[name]["verdict"] for name in ("collapse", "memorisation")}
    metrics["evaluation"] = {"data": found["data"], "protocol": found["protocol"]}
    store.write_extra(version, METRICS, json.dumps(metrics, indent=2, sort_keys=True).encode())
    store.write_extra(version, PAGE, page)
