"""`aigc bench recipes`: compares training recipes by the quality of their models.

Each recipe is trained once a seed, with the same data, time and machine, and its model is evaluated
like any other. Pictures that another program made stand beside them, measured in the same way.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aigc import storage
from aigc.data.dataset import Dataset, open_dataset
from aigc.distributed.evaluate import reuse_or_run
from aigc.distributed.train import run as train
from aigc.errors import DataError
from aigc.evaluation import evaluate_samples
from aigc.modalities.base import RejectError
from aigc.modalities.image.reading import read
from aigc.specs import EvaluateSpec, TrainSpec
from aigc.types import Json, Notice, UInt8Images, no_notice

FIGURES = ("fd", "kid", "precision", "recall", "coverage")
RESULT = "recipes.json"
_MAX_PIXELS = 2**26
_STORE = "AIGC_STORE"


@dataclass(frozen=True)
class RecipesBench:
    """What to compare; `out` is a local folder that keeps runs, models and figures, so that the
    same command goes on where it was stopped."""

    data: str
    specs: Mapping[str, Sequence[TrainSpec]]
    """By the recipe's name, a complete spec a seed."""
    out: str
    samples: int = 10_000
    pictures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the name of another program, a folder of its pictures a seed."""


def run(bench: RecipesBench, address: str | None = None, notice: Notice = no_notice) -> Json:
    """Figures of each run, and by contender the median and range over its seeds.

    Raises:
        AigcError: as `aigc train` and `aigc evaluate`; DataError when a folder holds too few
            pictures.
    """
    dataset = open_dataset(bench.data)
    found: dict[str, list[Json]] = {name: [] for name in bench.specs}
    others = {
        name: [_judged(folder, dataset, bench.samples) for folder in folders]
        for name, folders in bench.pictures.items()
    }
    with _store(storage.join(storage.absolute(bench.out), "models")):
        for seed in range(max(map(len, bench.specs.values()), default=0)):
            for name, specs in bench.specs.items():
                if seed < len(specs):
                    found[name].append(_trained(specs[seed], bench, address, notice))
                    notice(f"{name}, seed {specs[seed].seed}: {_line(found[name][-1])}")
    found |= others
    summary = {name: _summary(runs) for name, runs in found.items()}
    result: Json = {"data": dataset.digest, "samples": bench.samples, "summary": summary}
    result["runs"] = found
    text = json.dumps(result, indent=2, sort_keys=True)
    storage.write_bytes(storage.join(bench.out, RESULT), text.encode())
    return result


def _trained(spec: TrainSpec, bench: RecipesBench, address: str | None, notice: Notice) -> Json:
    """The figures of one model, which is trained and evaluated unless that is done already."""
    made = train(spec, address, notice=notice)
    report = reuse_or_run(
        EvaluateSpec(
            model=made["model"],
            data=bench.data,
            out=storage.join(spec.out, "evaluation"),
            samples=bench.samples,
            publish=False,
        ),
        address,
        notice=notice,
    )
    kept = {key: made[key] for key in ("images", "train_seconds", "health")}
    return kept | {"seed": spec.seed} | _figures(report)


def _judged(folder: str, dataset: Dataset, samples: int) -> Json:
    """The figures of pictures in a folder; without classes, since another program's are unknown."""
    pixels = _pictures(folder, dataset, samples)
    spec = EvaluateSpec(model=folder, data=dataset.uri, out=folder, samples=len(pixels))
    return {"images_made": len(pixels), **_figures(evaluate_samples(pixels, None, dataset, spec))}


def _pictures(folder: str, dataset: Dataset, samples: int) -> UInt8Images:
    """At most `samples` pictures of a folder in the order of their names, (N, H, W, C)."""
    shape = (dataset.height, dataset.width, dataset.channels)
    pixels = []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with contextlib.suppress(RejectError):
            data, ground = path.read_bytes(), dataset.background
            pixels.append(read(data, shape, dataset.fit, background=ground, max_pixels=_MAX_PIXELS))
        if len(pixels) == samples:
            break
    least = EvaluateSpec.model_fields["samples"].metadata[0].ge
    if len(pixels) < least:
        raise DataError(f"{folder}: {len(pixels)} pictures; at least {least} can be compared")
    return np.stack(pixels)


def _figures(report: Json) -> Json:
    return {name: report["figures"][name]["model"] for name in FIGURES}


def _line(figures: Json) -> str:
    return ", ".join(f"{name} {figures[name]:.4g}" for name in FIGURES)


def _summary(runs: Sequence[Json]) -> Json:
    """Median, lowest and highest of each figure over the runs, and how many were collapsed."""
    summary: Json = {}
    for name in FIGURES:
        values = [each[name] for each in runs]
        summary[name] = [statistics.median(values), min(values), max(values)]
    collapsed = sum(each.get("health") == "collapsed" for each in runs)
    return summary | {"runs": len(runs), "collapsed": collapsed}


@contextlib.contextmanager
def _store(uri: str) -> Iterator[None]:
    """Models of a comparison are not for the user's own store."""
    before = os.environ.get(_STORE)
    os.environ[_STORE] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ[_STORE]
        else:
            os.environ[_STORE] = before
