"""`aigc demo`: every step on public data; a second run reuses existing results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from aigc.commands.common import console, local_folder, progress, say
from aigc.cpus import usable_cpus
from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.specs import EvaluateSpec, GenerateSpec, Placement, PrepareSpec, TrainSpec

_FIGURES = ("fd", "precision", "recall", "density", "coverage")
_DEFAULTS = {
    "fashion-mnist": ("demo", 100_000, 5.0),
    "emoji": ("demo-emoji", 10_000, 30.0),
    "drums": ("demo-drums", 1_000, 6.0),
}
"""Data set -> folder, items to generate, minutes of training."""
_OF_MODALITY = {"image": ("fashion-mnist", "emoji"), "audio": ("drums",)}
"""The data sets; the first is taken where none is named."""
_DRUMS_TEST_FRACTION = 0.25
"""There are few, and an evaluation takes 50 or more to compare with."""


@dataclass(frozen=True)
class Plan:
    """The five specs of a demo, and what to fetch first."""

    fetch: str
    raw: str
    prepare: PrepareSpec
    run: str
    """Folder of the training run."""
    train: Callable[[], TrainSpec]
    """Called when the data are prepared."""
    evaluate: EvaluateSpec
    generate: GenerateSpec
    title: str = "images"
    """Several items, in a sentence."""


@dataclass
class Steps:
    """What each step took and where its result lies."""

    rows: list[tuple[str, float, str, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, where: str) -> Iterator[list[str]]:
        say(f"── {name}")
        started, result = time.monotonic(), [""]
        yield result
        self.rows.append((name, time.monotonic() - started, result[0], where))


def demo(
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder for everything but the model store; default: demo, demo-emoji, demo-drums."
        ),
    ] = None,
    modality: Annotated[str, typer.Option(help="image, or audio: one-shot sounds.")] = "image",
    data: Annotated[
        str | None,
        typer.Option(
            help="fashion-mnist; emoji: 3,020 colour images at 64x64; drums: 200 sounds of 1 s. "
            "Default: fashion-mnist, of audio drums."
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Items to generate; default: 100,000, emoji 10,000, drums 1,000."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Training time; default: 5, emoji 30, drums 6.")
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Use tiny digits instead of Fashion-MNIST; takes a minute."),
    ] = False,
) -> None:
    """Run every step on public data. A second run reuses existing results.

    Example: aigc demo --out demo
    """
    data = _data_set(modality, data)
    if smoke and data != "fashion-mnist":
        raise SpecError(f"smoke = true: {data} has no tiny data set; leave it out")
    folder, items, time_limit = _DEFAULTS[data]
    out = str(local_folder(folder if out is None else out))
    plans = {
        "fashion-mnist": smoke_plan if smoke else fashion_plan,
        "emoji": emoji_plan,
        "drums": drums_plan,
    }
    plan = plans[data](out, count or items, minutes or time_limit)
    steps = Steps()
    figures = run(plan, steps)
    _print_summary(plan, steps, figures)


def _data_set(modality: str, data: str | None) -> str:
    """The data set that is named, or that of the modality. Raises SpecError."""
    if modality not in _OF_MODALITY:
        raise SpecError(f"modality = {modality!r}: expected {' or '.join(_OF_MODALITY)}")
    if data is None:
        return _OF_MODALITY[modality][0]
    if data not in _DEFAULTS:
        raise SpecError(f"data = {data!r}: expected {' or '.join(_DEFAULTS)}")
    if data not in _OF_MODALITY[modality]:
        raise SpecError(f"data = {data!r}: holds no {modality}; leave one of both out")
    return data


def fashion_plan(out: str, count: int, minutes: float) -> Plan:
    """70,000 product photos, 28×28 grey, ten classes; the default recipe of `aigc train`."""
    from aigc.modalities.image.spec import PrepareImages
    from aigc.specs import EvaluateSpec, GenerateSpec

    raw, data, run_folder = f"{out}/raw", f"{out}/data", f"{out}/run"
    workers = _training_workers().model_dump()
    return Plan(
        fetch="fashion-mnist",
        raw=raw,
        prepare=PrepareImages(source=raw, out=data, size=28, channels=1),
        run=run_folder,
        train=_default_recipe("fashion", data, run_folder, minutes, placement=workers),
        evaluate=EvaluateSpec(model="fashion", data=data, out=f"{out}/evaluation"),
        generate=GenerateSpec(model="fashion", out=f"{out}/images", count=count, seed=7),
    )


def emoji_plan(out: str, count: int, minutes: float) -> Plan:
    """3,354 emoji, 64x64 in colour, nine classes; the default recipe of `aigc train`."""
    from aigc.modalities.image.spec import PrepareImages
    from aigc.specs import EvaluateSpec, GenerateSpec

    raw, data, run_folder = f"{out}/raw", f"{out}/data", f"{out}/run"
    return Plan(
        fetch="emoji",
        raw=raw,
        prepare=PrepareImages(source=raw, out=data, size=64),
        run=run_folder,
        train=_default_recipe("emoji", data, run_folder, minutes),
        evaluate=EvaluateSpec(
            model="emoji", data=data, out=f"{out}/evaluation", samples=3_000, prdc_samples=300
        ),
        generate=GenerateSpec(model="emoji", out=f"{out}/images", count=count, seed=7),
    )


def drums_plan(out: str, count: int, minutes: float) -> Plan:
    """Some 200 drum sounds under free licences, six classes; the default recipe of `aigc train`."""
    from aigc.modalities.audio.spec import PrepareSounds
    from aigc.specs import EvaluateSpec, GenerateSpec

    raw, data, run_folder = f"{out}/raw", f"{out}/data", f"{out}/run"
    evaluation = f"{out}/evaluation"
    return Plan(
        fetch="drums",
        raw=raw,
        prepare=PrepareSounds(source=raw, out=data, test_fraction=_DRUMS_TEST_FRACTION),
        run=run_folder,
        train=_default_recipe("drums", data, run_folder, minutes),
        evaluate=EvaluateSpec(model="drums", data=data, out=evaluation, samples=500),
        generate=GenerateSpec(model="drums", out=f"{out}/sounds", count=count, seed=7),
        title="sounds",
    )


def _default_recipe(
    name: str, data: str, run_folder: str, minutes: float, **fields: Any
) -> Callable[[], TrainSpec]:
    """The recipe that `aigc train` chooses; it can look at `data` once that is prepared."""
    from aigc.commands.train import resolve

    values = {"name": name, "data": data, "out": run_folder, "max_seconds": minutes * 60}
    return lambda: resolve(None, None, values | fields)


def _training_workers() -> Placement:
    """On CPUs two processes of half the cores each: threads of one wait for each other at every
    layer, processes once a step, which a busy machine forgives more easily."""
    from aigc.modalities.learning import default_device
    from aigc.specs import Placement

    return Placement(workers=1 if default_device() == "cuda" else min(2, usable_cpus()))


def smoke_plan(out: str, count: int, minutes: float) -> Plan:
    """1,797 digits, 16×16 grey: does everything work here?"""
    from aigc import presets
    from aigc.modalities.image.spec import PrepareImages
    from aigc.specs import EvaluateSpec, GenerateSpec

    raw, data, run_folder = f"{out}/raw", f"{out}/data", f"{out}/run"
    train = presets.smoke(name="digits", data=data, out=run_folder)
    limits = {"max_seconds": minutes * 60}
    return Plan(
        fetch="digits",
        raw=raw,
        prepare=PrepareImages(source=raw, out=data, size=16, channels=1, test_fraction=0.2),
        run=run_folder,
        train=lambda: train.model_copy(update=limits),
        evaluate=EvaluateSpec(
            model="digits", data=data, out=f"{out}/evaluation", samples=300, prdc_samples=300
        ),
        generate=GenerateSpec(model="digits", out=f"{out}/images", count=count, seed=7),
    )


def run(plan: Plan, steps: Steps) -> dict[str, Any]:
    """Every step in turn; returns the evaluation's report."""
    from aigc.data.dataset import open_dataset
    from aigc.data.fetch import fetch
    from aigc.distributed import evaluate, generate, prepare, train
    from aigc.sets.verify import verify

    with steps.step("fetch", plan.raw):
        fetch(plan.fetch, plan.raw, say)
    with (
        steps.step("prepare", plan.prepare.out) as result,
        progress("prepare", plan.title) as report,
    ):
        prepare.run(plan.prepare, None, report)
        counts = open_dataset(plan.prepare.out).counts
        result[0] = f"{counts['train']:,} train, {counts['test']:,} test {plan.title}"
    with steps.step("train", plan.run) as result, progress("train", plan.title) as report:
        trained = train.run(plan.train(), None, report, say)
        result[0] = trained["model"]
    with steps.step("evaluate", f"{plan.evaluate.out}/report.png") as result:
        spec = plan.evaluate.model_copy(update={"model": trained["model"]})
        with progress("evaluate", plan.title) as report:
            figures = evaluate.reuse_or_run(spec, None, report, say)
        result[0] = f"collapse: {figures['collapse']['verdict'].partition(':')[0]}"
    with steps.step("generate", plan.generate.out) as result:
        job = plan.generate.model_copy(update={"model": trained["model"]})
        with progress("generate", plan.title) as report:
            manifest = generate.run(job, None, report, say)
        result[0] = f"{manifest['items']:,} {plan.title}, {manifest['size_bytes'] / 1e6:,.0f} MB"
    with steps.step("verify", f"{plan.generate.out}/preview.png") as result:
        with progress("verify", plan.title) as report:
            checked = verify(plan.generate.out, report=report)
        result[0] = f"ok, digest {checked['content_digest'][:12]}"
    return figures


def _print_summary(plan: Plan, steps: Steps, figures: dict[str, Any]) -> None:
    quality = Table(
        "metric", "model", "floor", title=f"Quality; the floor is real training {plan.title}"
    )
    for name in _FIGURES:
        figure = figures["figures"][name]
        quality.add_row(name, f"{figure['model']:.3g}", f"{figure['floor']:.3g}")
    table = Table("step", "seconds", "result", "where", title="Steps")
    for name, seconds, result, where in steps.rows:
        table.add_row(name, f"{seconds:,.0f}", Text(result), Text(where))
    table.add_row("total", f"{sum(row[1] for row in steps.rows):,.0f}", "", "")
    console.print(quality)
    console.print(table)
    say(f"Look at {plan.generate.out}/preview.png, then try:")
    say(f"  aigc view {plan.generate.out}")
    say(f"  aigc generate {plan.generate.model} --count 1000 --out more --seed 8")
