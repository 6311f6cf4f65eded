"""Runs that go wrong, seen and remedied; the best model kept."""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from aigc.data.dataset import open_dataset
from aigc.data.fetch import fetch
from aigc.distributed.prepare import run as prepare
from aigc.errors import JobError
from aigc.modalities.image import to_network
from aigc.modalities.image.spec import PrepareImages
from aigc.specs import TrainSpec
from aigc.training import gan, is_finished, stop_reason, supervisor, train
from aigc.training.learner import Finished
from aigc.training.looks import Look, LookMetrics
from aigc.training.moments import look_every_steps, next_look_s, next_sheet_s
from aigc.training.vae import VaeLearner
from aigc.training.verdicts import collapsed_at_the_end
from aigc.training.watch import MonitorState, TrainingMonitor
from tests.training.helpers import tiny_spec
from tests.training.test_loop import same, stop_after
from tests.waiting import wait_until

GAN: dict[str, Any] = {"family": "gan", "latent_dim": 8, "width": 8}


def watched(
    data: str, out: Path, every_steps: int, watch: dict[str, Any], **more: Any
) -> TrainSpec:
    settings = {"samples": 50, "every_images": 16 * every_steps, "warm_up_images": 0} | watch
    return tiny_spec(data, out, watch=settings, **more)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_planted_collapse_is_seen_remedied_and_stopped(digits_data: str, tmp_path: Path) -> None:
    """A learning rate 50 times too high: the bound is `patience` looks after the untrained one."""
    notes: list[str] = []
    spec = watched(
        digits_data,
        tmp_path,
        20,
        {"patience": 2, "max_remedies": 1},
        steps=2000,
        lr=0.075,
        lr_final=None,
        model=GAN,
    )
    result = train(spec, notice=notes.append)
    first, last = result.metrics["watch"]["events"]
    assert first["kind"] == last["kind"] == "collapse"
    assert first["step"] <= 2 * 20
    assert first["back_to_step"] == 0
    assert first["remedies"] == ["restore", "lower_lr", "raise_penalty"]
    assert result.metrics["watch"]["adjustments"] == {"lr": 0.5, "penalty": 2.0, "augment": 0.0}
    assert len(notes) == 2
    assert "learning rate x 0.5, penalties x 2 (remedy 1 of 1)" in notes[0]
    assert "training stops after 1 remedy" in notes[1]
    assert all("\n" not in note for note in notes)
    assert result.metrics["steps"] < 2000
    assert result.metrics["health"] == "collapsed"
    assert [line["kind"] for line in lines_of(tmp_path) if "kind" in line] == ["collapse"] * 2
    assert "**This model is collapsed**" in result.card
    assert notes[0] in result.card
    assert is_finished(spec)
    assert stop_reason(spec) == notes[1]
    assert train(spec).steps_run == 0


def test_a_collapse_is_no_verdict_before_the_warm_up(digits_data: str, tmp_path: Path) -> None:
    watch = {"patience": 1, "max_remedies": 1, "warm_up_images": 16 * 60}
    result = train(
        watched(digits_data, tmp_path, 20, watch, steps=200, lr=0.075, lr_final=None, model=GAN)
    )
    assert result.metrics["watch"]["events"][0]["step"] == 60


def some_digits(folder: Path, per_class: int, test_fraction: float) -> str:
    """A prepared data set of a few pictures a class, from many writers."""
    fetch("digits", str(folder / "raw"))
    for label in (folder / "raw").glob("[0-9]"):
        paths = sorted(label.iterdir())
        for path in {*paths} - {*paths[:: len(paths) // per_class][:per_class]}:
            path.unlink()
    source, out = str(folder / "raw"), str(folder / "data")
    prepare(PrepareImages(source=source, out=out, size=16, channels=1, test_fraction=test_fraction))
    return out


class OtherDigits(nn.Module):
    """Draws digits that are not among those trained on: as good as any generator can be, so a
    discriminator tells them from training pictures by heart or not at all."""

    def __init__(self, data: str, trained_on: str) -> None:
        super().__init__()
        theirs = open_dataset(trained_on)
        known = {p.tobytes() for split in ("train", "test") for p in theirs.read(split)[0]}
        pixels, labels = open_dataset(data).read("train")
        other = np.array([picture.tobytes() not in known for picture in pixels])
        self.register_buffer("pictures", to_network(pixels[other]), persistent=False)
        self.rows = [np.flatnonzero(labels[other] == label) for label in range(10)]
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        share = torch.special.ndtr(z[:, 0]).clamp(0, 0.999)
        chosen = [
            int(self.rows[each][int(at * len(self.rows[each]))])
            for each, at in zip(label.tolist(), share.tolist(), strict=True)
        ]
        pictures = self.get_buffer("pictures")[chosen]
        return pictures + 0 * self.unused


def test_a_discriminator_that_overfits_is_noticed(
    digits_data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 pictures to train on, 40 held out."""
    hundred = some_digits(tmp_path, 14, 0.3)
    monkeypatch.setattr(gan, "build_sampler", lambda _: OtherDigits(digits_data, hundred))
    notes: list[str] = []
    free = GAN | {"width": 16, "r1_gamma": 0, "r2_gamma": 0}
    watch = {"patience": 2, "max_remedies": 1}
    spec = watched(hundred, tmp_path / "run", 40, watch, steps=160, model=free, lr_final=None)
    result = train(spec, notice=notes.append)
    looks = [line for line in lines_of(tmp_path / "run") if "held_out/overfitting" in line]
    assert looks[-1]["held_out/overfitting"] > 0.7
    event = result.metrics["watch"]["events"][0]
    assert event["kind"] == "overfitting"
    assert event["remedies"] == ["raise_augment", "raise_penalty"]
    assert event["back_to_step"] is None
    assert result.metrics["watch"]["adjustments"]["augment"] == 0.25
    assert "the discriminator overfits: the discriminator rates held-out images" in notes[1]
    assert "augmentation + 0.25 (remedy 1 of 1)" in notes[1]
    assert result.metrics["health"] == "ok"


def test_no_overfitting_where_there_is_none(digits_data: str, tmp_path: Path) -> None:
    result = train(watched(digits_data, tmp_path, 40, {"patience": 1}, steps=120, model=GAN))
    events = result.metrics["watch"]["events"]
    assert not [event for event in events if event["kind"] == "overfitting"]


def test_the_best_look_is_kept_and_handed_over(digits_data: str, tmp_path: Path) -> None:
    watch = {"on_collapse": ["stop"], "patience": 50}
    spec = watched(digits_data, tmp_path, 30, watch, steps=150, lr_final=None, lr=4e-3, model=GAN)
    result = train(spec)
    looks = {
        line["step"]: line["held_out/kid"] for line in lines_of(tmp_path) if "held_out/kid" in line
    }
    assert sorted(looks) == list(range(0, 151, 30))
    best = min(looks, key=lambda step: looks[step])
    assert result.metrics["published_step"] == best
    assert result.metrics["held_out_kid"] == looks[best]
    assert result.metrics["watch"]["last"]["figures"]["kid"] == looks[150]
    folders = [path.name for path in (tmp_path / "best").iterdir()]
    assert folders == [f"step-{best:09d}"]
    assert same(load_file(tmp_path / "best" / folders[0] / "model.safetensors"), result.tensors)
    assert f"step {best:,} of 150" in result.card
    assert (tmp_path / "best" / folders[0] / "samples.png").read_bytes() == result.samples_png


def test_an_interrupted_watched_run_equals_a_straight_one(digits_data: str, tmp_path: Path) -> None:
    """Also when it is remedied on the way, and when the stop falls on a look."""
    watch = {"patience": 1, "max_remedies": 2}
    more: dict[str, Any] = {"steps": 50, "lr": 0.075, "model": GAN, "log_every": 10}
    straight = train(watched(digits_data, tmp_path / "straight", 10, watch, **more))
    spec = watched(digits_data, tmp_path / "resumed", 10, watch, **more)
    for steps in (7, 3, 11):
        with pytest.raises(JobError, match="stopped at step"):
            train(spec, stop=stop_after(steps))
    resumed = train(spec)
    assert straight.metrics["watch"]["events"]
    assert resumed.metrics["watch"] == straight.metrics["watch"]
    assert same(straight.tensors, resumed.tensors)
    assert straight.samples_png == resumed.samples_png
    kinds = [
        [(line["step"], line.get("kind"), line.get("held_out/kid")) for line in lines_of(folder)]
        for folder in (tmp_path / "straight", tmp_path / "resumed")
    ]
    assert {line for line in kinds[0] if line[2]} == {line for line in kinds[1] if line[2]}
    assert len([1 for line in kinds[1] if line[1]]) == len([1 for line in kinds[0] if line[1]])


def train_on_threads(spec: TrainSpec, threads: int) -> None:
    """The order of sums, and so the last bits, depend on the number of threads."""
    torch.set_num_threads(threads)
    train(spec)


@pytest.mark.faults
def test_a_killed_run_goes_on_with_the_best_its_checkpoint_knows(
    digits_data: str, tmp_path: Path
) -> None:
    watch = {"patience": 50}
    more: dict[str, Any] = {"steps": 30, "model": GAN, "checkpoint_every_s": 0.1}
    straight = train(watched(digits_data, tmp_path / "straight", 6, watch, **more))
    out = tmp_path / "killed"
    spec = watched(digits_data, out, 6, watch, **more)
    arguments = (spec, torch.get_num_threads())
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=train_on_threads, args=arguments)
    process.start()

    def is_due() -> bool:
        assert process.is_alive()
        return bool(list(out.glob("best/*"))) and len(list(out.glob("checkpoints/*"))) >= 2

    wait_until(is_due, 200)
    process.kill()
    process.join()
    resumed = train(spec)
    assert 0 < resumed.steps_run < 30
    assert resumed.metrics["watch"] == straight.metrics["watch"]
    assert same(straight.tensors, resumed.tensors)
    assert len(list(out.glob("best/*"))) == len(list((tmp_path / "straight").glob("best/*")))


@pytest.mark.usefixtures("diverges_after_step_6")
def test_a_run_that_diverges_goes_back_and_on(digits_data: str, tmp_path: Path) -> None:
    notes: list[str] = []
    watch = {"patience": 50}
    result = train(watched(digits_data, tmp_path, 4, watch), notice=notes.append)
    [event] = result.metrics["watch"]["events"]
    assert (event["kind"], event["step"]) == ("diverged", 8)
    assert event["back_to_step"] in (0, 4)
    assert "diverged: g_loss is nan" in notes[0] or "is nan; back to step" in notes[0]
    assert result.metrics["steps"] == 12
    assert all(torch.isfinite(value).all() for value in result.tensors.values())


def test_without_held_out_pictures_training_ones_stand_in(tmp_path: Path) -> None:
    data = some_digits(tmp_path, 2, 0.0)
    notes: list[str] = []
    result = train(watched(data, tmp_path / "run", 5, {}, steps=5, model=GAN), notice=notes.append)
    assert "0 held-out images are fewer than 50, so samples are compared with training" in notes[0]
    assert result.metrics["watch"]["published"]["floor"]["coverage"] == 1
    assert result.metrics["watch"]["published"]["figures"]["overfitting"] is None
    assert "compared with training images" in result.card


def test_three_pictures_are_watched_too(tmp_path: Path) -> None:
    data = some_digits(tmp_path, 1, 0.0)
    for label in "3456789":
        next((tmp_path / "raw" / label).glob("*.png")).unlink()
    source, out = str(tmp_path / "raw"), str(tmp_path / "three")
    prepare(PrepareImages(source=source, out=out, size=16, channels=1, test_fraction=0.0))
    result = train(watched(out, tmp_path / "run", 5, {}, steps=5, model=GAN))
    assert open_dataset(data).counts["train"] == 10
    assert open_dataset(out).counts["train"] == 3
    assert math.isfinite(result.metrics["held_out_kid"])
    assert result.metrics["watch"]["last"]["figures"]["class_spread"] is None


def test_a_timed_run_is_looked_at_first_and_last(digits_data: str, tmp_path: Path) -> None:
    watch = {"every_images": None, "cost": 0.5}
    spec = watched(digits_data, tmp_path, 1, watch, steps=None, max_seconds=3.0, model=GAN)
    result = train(spec)
    steps = [line["step"] for line in lines_of(tmp_path) if "held_out/kid" in line]
    assert steps[0] == 0
    assert steps[-1] == result.metrics["steps"]


GOOD = LookMetrics(0.5, 0.8, 0.5, 0.9, 0.0, 0.9, 0.1, 0.0)
FLOOR = LookMetrics(0.0, 0.95, 0.9, 1.0, 0.0, 1.0)
BAD = dataclasses.replace(GOOD, kid=8.0, coverage=0.05)


def looked(step: int, figures: LookMetrics) -> Look:
    return Look(step, step * 16, figures, FLOOR)


def watch_of(**settings: Any) -> TrainingMonitor:
    return TrainingMonitor(tiny_spec("data", "out", watch=settings), MonitorState())


def test_ties_and_numbers_that_are_none_leave_the_best_as_it_is() -> None:
    watch = watch_of()
    untrained = looked(0, dataclasses.replace(BAD, kid=math.nan))
    watch.take(untrained, 0.0)
    assert watch.state.best is untrained
    first = looked(10, GOOD)
    for look in (first, looked(20, GOOD), looked(30, dataclasses.replace(GOOD, kid=math.nan))):
        watch.take(look, 0.1)
    assert watch.state.best is first
    better = looked(40, dataclasses.replace(GOOD, kid=0.4))
    watch.take(better, 0.1)
    assert watch.state.best is better


def test_a_loss_of_coverage_must_last_and_needs_no_warm_up() -> None:
    watch = watch_of(patience=3)
    watch.take(looked(0, dataclasses.replace(BAD, kid=9.0)), 0.0)
    watch.take(looked(1, GOOD), 0.0)
    for step, figures in enumerate([BAD, BAD, GOOD, BAD, BAD], 2):
        assert watch.take(looked(step, figures), 0.0) is None
    verdict = watch.take(looked(9, BAD), 0.0)
    assert verdict is not None
    assert verdict.kind == "collapse"
    assert "coverage 0.050" in verdict.reason
    assert "coverage was 0.800" in verdict.reason


def test_first_shapes_farther_from_real_pictures_than_blank_ones_are_no_collapse() -> None:
    watch = watch_of(patience=2, warm_up_images=16)
    kids = [13, 14, 23, 19, 18, 16]
    looks = [looked(step, dataclasses.replace(BAD, kid=kid)) for step, kid in enumerate(kids)]
    done = [0.0, 0.05, 0.1, 0.15, 0.3, 0.6]
    assert [watch.take(look, at) for look, at in zip(looks, done, strict=True)] == [None] * 6
    again = [looked(step, dataclasses.replace(BAD, kid=22.0)) for step in (7, 8)]
    first, second = [watch.take(look, 0.7) for look in again]
    assert first is None
    assert second is not None
    assert "KID 22 is no lower than at the start of the run" in second.reason


def test_overfitting_ends_a_run_only_where_nothing_improves() -> None:
    watch = watch_of(patience=2, max_remedies=1)
    watch.take(looked(0, dataclasses.replace(BAD, kid=9.0)), 0.0)
    responses = []
    for step in range(1, 9):
        kid = 1 / step if step < 5 else 1.0
        figures = dataclasses.replace(GOOD, kid=kid, overfitting=0.9, overfitting_low=0.6)
        verdict = watch.take(looked(step, figures), 0.5)
        if verdict:
            responses.append((step, watch.respond(verdict, step * 16)))
    assert [(step, bool(r.remedies), r.stop) for step, r in responses] == [
        (2, True, False),
        (4, False, False),
        (6, False, True),
        (8, False, True),
    ]


def test_the_state_of_a_watch_survives_json() -> None:
    watch = watch_of(patience=2)
    for step, figures in enumerate([dataclasses.replace(BAD, kid=math.nan), GOOD, BAD]):
        watch.take(looked(step, figures), 0.0)
    watch.state.events.append({"step": 2})
    text = json.dumps(watch.state.to_json(), allow_nan=False)
    again = MonitorState.from_json(json.loads(text))
    assert again.to_json() == watch.state.to_json()
    assert again.best is not None
    assert again.best.figures == GOOD


def test_looks_depend_on_the_step_alone_where_steps_are_the_limit() -> None:
    spec = tiny_spec("data", "out", steps=100_000)
    assert look_every_steps(spec) == 5000
    assert look_every_steps(tiny_spec("data", "out", steps=300)) == 500
    timed = tiny_spec("data", "out", steps=None, max_seconds=300.0)
    assert look_every_steps(timed) is None
    assert next_look_s(timed, 0.0, 3.0, first=True) == 23
    assert next_look_s(timed, 0.0, 25.0, first=True) == 50
    assert next_look_s(timed, 20.0, 1.5, first=False) == pytest.approx(20 + 1.5 + 1.5 / 0.03)
    assert next_look_s(timed, 4000.0, 0.1, first=False) == pytest.approx(4000.1 + 100)


def test_a_look_counts_the_time_in_which_the_prior_is_fitted(
    digits_data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    took: list[float] = []

    def slow_finish(learner: Any, averages: Any, dataset: Any, *, preview: bool) -> Finished:
        time.sleep(0.5)
        return finish(learner, averages, dataset, preview=preview)

    def next_look(_spec: TrainSpec, elapsed_s: float, took_s: float, first: bool) -> float:
        took.append(took_s)
        return elapsed_s

    finish = VaeLearner.finish
    monkeypatch.setattr(VaeLearner, "finish", slow_finish)
    monkeypatch.setattr(supervisor, "next_look_s", next_look)
    vae = {"family": "vae", "latent_dim": 8, "width": 8, "prior": "mixture"}
    train(watched(digits_data, tmp_path, 2, {}, model=vae, steps=2))
    assert len(took) >= 2
    assert min(took) >= 0.5


def test_sheets_come_within_a_minute_and_then_ever_more_rarely() -> None:
    due, elapsed = [], 0.0
    for _ in range(7):
        elapsed = next_sheet_s(elapsed)
        due.append(elapsed)
    assert due == [20, 40, 80, 160, 320, 620, 920]
    assert next_sheet_s(100.0) == 160


def test_a_run_that_was_too_short_is_told_from_one_that_failed() -> None:
    """Alike samples, while KID falls to the end: a sound model after a few hundred steps."""
    alike = dataclasses.replace(BAD, kid=5.0, repeated=0.9)
    falling, stuck = watch_of(), watch_of()
    for watch in (falling, stuck):
        watch.take(looked(0, alike), 0.0)
    for at, kid in enumerate((3.0, 2.0, 1.0), 1):
        falling.take(looked(10 * at, dataclasses.replace(alike, kid=kid)), at / 3)
        stuck.take(looked(10 * at, dataclasses.replace(alike, kid=5.0)), at / 3)
    assert falling.health()[0] == stuck.health()[0] == "collapsed"
    assert falling.health()[1].endswith("near copies of each other; KID was still falling at the "
                                        "end of the run, so train longer")  # fmt: skip
    assert "train longer" not in stuck.health()[1]


def test_a_vae_that_reaches_held_out_items_has_not_collapsed() -> None:
    """Looks as measured on 164 sounds after 79 and 908 steps: alike, but soon varied."""
    floor = LookMetrics(-0.06, 0.86, 0.96, 1.01, 0.0, 1.0)
    early = LookMetrics(5.09, 0.41, 0.107, 0.44, 0.32, 0.32)
    later = LookMetrics(0.47, 0.73, 0.625, 0.65, 0.2, 0.69)
    copies = LookMetrics(0.47, 0.5, 0.0, 0.02, 1.0, 0.01)
    reasons = [
        collapsed_at_the_end(Look(908, 14_528, figures, floor), 5.1, False)
        for figures in (early, later, copies)
    ]
    assert reasons[1] is None
    for reason, near in ((reasons[0], "32%"), (reasons[2], "100%")):
        assert reason is not None
        assert f"{near} of samples are near copies of each other" in reason
