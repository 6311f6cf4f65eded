"""The training loop: torch only, alone or as one of several workers, always resumable."""

from __future__ import annotations

import time

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from aigc import storage
from aigc.data.dataset import open_dataset
from aigc.data.loader import Loader
from aigc.errors import JobError, SpecError
from aigc.families.networks import parameter_count
from aigc.modalities.base import Items
from aigc.specs import TrainSpec
from aigc.training import best, checkpoint
from aigc.training.batches import micro_batches
from aigc.training.device import training_device
from aigc.training.ema import Ema, loaded, named_tensors
from aigc.training.health import HealthVerdict
from aigc.training.journal import Journal
from aigc.training.learner import Figures, Learner, learner_of
from aigc.training.moments import next_sheet_s
from aigc.training.parallel import Group
from aigc.training.result import TrainResult, published_step, watch_card, watch_metrics
from aigc.training.runs import model_config, recipe_card, untrained_note
from aigc.training.schedule import learning_rate, progress
from aigc.training.sheets import SampleSheet
from aigc.training.stopping import Stop, on_sigterm
from aigc.training.supervisor import Supervisor
from aigc.training.view import view_of
from aigc.types import Json, Labels, Notice, Report, no_notice, silent

_REPORT_EVERY_S = 2.0


def train(
    spec: TrainSpec,
    *,
    rank: int = 0,
    world: int = 1,
    report: Report = silent,
    stop: Stop = lambda: False,
    notice: Notice = no_notice,
) -> TrainResult:
    """Train to the end of `spec`, from the newest checkpoint in `spec.out` if there is one.

    Every worker calls this with its `rank`; `world` > 1 needs torch.distributed set up. `report`
    gets images done and in all, on rank 0. When `stop` says so on rank 0, or SIGTERM comes, a
    checkpoint is written first. `notice` gets a line for each remedy of `spec.watch`, on rank 0.
    On a CPU a resumed run gives the same bits as an undisturbed one if `steps` is the limit.

    Raises:
        DataError: the data set is missing or unfinished.
        SpecError: `spec.out` holds another run, or the pictures' size cannot be made.
        JobError: training diverged and could not be remedied, or was stopped; names what was kept.
    """
    run = _Run(spec, Group(rank, world), notice if rank == 0 else no_notice)
    with on_sigterm(stop) as stopping:
        run.train(report, stopping)
    return run.result()


class _Run:
    def __init__(self, spec: TrainSpec, group: Group, notice: Notice) -> None:
        dataset = open_dataset(spec.data)
        if spec.batch_size % (group.world * spec.accumulate):
            raise SpecError(
                f"batch_size {spec.batch_size} cannot be divided by {group.world} workers x "
                f"accumulate {spec.accumulate}; choose a multiple"
            )
        self.spec, self.group, self.notice = spec, group, notice
        self.config, self.view = model_config(spec, dataset), view_of(dataset)
        self.dataset, self.device = dataset, training_device()
        made = learner_of(spec)
        checkpoint.claim(spec, dataset.digest)
        torch.manual_seed(spec.seed)
        self.learner: Learner = made(spec, self.config, self.device, group)
        self.ema = Ema(self.learner.published, spec.ema_half_life_images)
        self.sheet = SampleSheet(self.config, spec.seed, self.device)
        per_worker = spec.batch_size // group.world
        self.loader = Loader(
            dataset,
            "train",
            per_worker,
            seed=spec.seed,
            rank=group.rank,
            world=group.world,
            memory_bytes=spec.memory_bytes,
            class_balance=spec.class_balance,
        )
        self._restore()
        self.first_step = self.step
        self.journal = Journal(spec.out, self.step) if group.rank == 0 else None
        self.good: tuple[int, dict[str, Tensor]] | None = None

    def _restore(self) -> None:
        found = checkpoint.restore_latest(self.spec, self.learner, self.ema)
        state: Json = found.state if found else {}
        self.step: int = state.get("step", 0)
        self.elapsed_s: float = state.get("elapsed_s", 0.0)
        self.train_s: float = state.get("train_s", 0.0)
        self.figures: dict[str, float] = state.get("figures", {})
        self.hardware: Json = state.get("hardware", {})
        self.saved_step, self.saved_at_s = self.step if found else -1, self.elapsed_s
        self.supervisor = Supervisor(
            self.spec,
            self.config,
            self.dataset,
            self.device,
            self.group,
            self.learner,
            self.ema,
            state.get("supervisor", {}),
        )

    @property
    def images(self) -> int:
        return self.step * self.spec.batch_size

    @property
    def done(self) -> float:
        return progress(self.spec, self.step, self.elapsed_s)

    @property
    def ended(self) -> bool:
        return self.done >= 1 or self.supervisor.stopped is not None

    def train(self, report: Report, stop: Stop) -> None:
        if not self.ended:
            self._train(report, stop)
        if self._lacks_last_look():
            self._look()
            self._save(again=True)

    def _train(self, report: Report, stop: Stop) -> None:
        if self.journal:
            self.journal.open()
        self.hardware = {"workers": self.group.world, "device": str(self.device)}
        began, before_s, reported_s = time.monotonic(), self.elapsed_s, 0.0
        figures: Figures | None = None
        sheet_s = next_sheet_s(before_s)
        for said in (self.supervisor.note, untrained_note(self.config)):
            if said:
                self.notice(said)
        for items, labels in self.loader.batches(self.step):
            now = before_s + time.monotonic() - began
            self.elapsed_s, stopping = self.group.agree([now, float(stop())], self.device)
            if stopping:
                self._check_and_save(figures)
                raise JobError(
                    f"stopped at step {self.step}; run the same command again to continue from "
                    f"{checkpoint.latest_uri(self.spec)}"
                )
            if self.supervisor.due(self.step, self.elapsed_s):
                self._look()
            if self.ended:
                break
            figures = self._step(items, labels)
            if self.step % self.spec.log_every == 0:
                self._check(figures)
            if self.step % self.spec.sample_every == 0 or self.elapsed_s >= sheet_s:
                self._draw_sheet()
                sheet_s = next_sheet_s(self.elapsed_s)
            if self.elapsed_s - self.saved_at_s >= self.spec.checkpoint_every_s:
                self._check_and_save(figures)
            if self.elapsed_s - reported_s >= _REPORT_EVERY_S:
                reported_s = self.elapsed_s
                report(self.images, self.images / max(self.done, 1e-9), **self._shown())
        self._check_and_save(figures)
        report(self.images, self.images, **self._shown())

    def _look(self) -> None:
        verdict = self.supervisor.look(
            self.step, self.images, self.elapsed_s, self.done, self.journal
        )
        if verdict and self.done < 1:
            self._act(verdict)

    def _act(self, verdict: HealthVerdict) -> bool:
        return self.supervisor.act(verdict, self.step, self.images, self.journal, self.notice)

    def _lacks_last_look(self) -> bool:
        """Whether the run has ended with a model that was not looked at, or was never looked at."""
        watched = self.spec.watch.enabled and self.supervisor.stopped is None
        return watched and self.done >= 1 and not self.supervisor.seen(self.step)

    def _draw_sheet(self) -> None:
        if self.journal:
            shown = self.learner.finish(self.ema.modules, self.dataset, preview=True)
            self.journal.sheet(self.step, self.sheet.png(shown.sampler))

    def _step(self, items: Items, labels: Labels) -> Figures:
        began = time.monotonic()
        rate = learning_rate(self.spec, self.step, self.done) * self.supervisor.adjustments.lr
        for optimizer in self.learner.optimizers.values():
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate
        batches = micro_batches(
            self.spec, self.step, self.group.rank, items, labels, self.device, self.view
        )
        figures = self.learner.step(batches, self.step, self.done)
        self.step += 1
        self.ema.update(self.images, self.spec.batch_size)
        self.train_s += time.monotonic() - began
        return figures

    def _check(self, figures: Figures) -> None:
        """Log, and on every worker alike remedy the run or stop it when it has gone wrong."""
        norm = torch.stack([p.float().norm() for p in self._averages()]).norm()
        found = self.group.average(figures() | {"weight_norm": norm})
        verdict = self.supervisor.health.verdict(self.step, found)
        if verdict is None or verdict.kind != "diverged":
            self.figures = found
            if self.journal:
                at = {"step": self.step, "images": self.images}
                self.journal.log(at | {"elapsed_s": round(self.elapsed_s, 4)} | self._shown())
        if verdict is None:
            self.good = (self.step, self.ema.tensors())
        if verdict and not self._act(verdict):
            raise JobError(
                f"training diverged at step {self.step}: {verdict.reason}; {self._rescue()}"
            )

    def _check_and_save(self, figures: Figures | None) -> None:
        """A checkpoint is only made of a state that passed the check."""
        if figures and self.step % self.spec.log_every:
            self._check(figures)
        self._save()

    def _averages(self) -> list[Tensor]:
        return [p for module in self.ema.modules.values() for p in module.parameters()]

    def _shown(self) -> dict[str, float]:
        return self.figures | {"images_per_s": self.images / self.train_s if self.train_s else 0.0}

    def _rescue(self) -> str:
        """Keep the last averages that were in order; says where, for the user."""
        if self.journal:
            self.journal.close()
        if self.good is None:
            return "it never was healthy, so nothing was kept; lower lr or raise r1_gamma"
        step, tensors = self.good
        uri = storage.join(self.spec.out, "last-good")
        if self.group.rank == 0:
            storage.write_bytes(storage.join(uri, "model.safetensors"), save_tensors(tensors))
            config = self.config.model_dump_json(indent=2).encode()
            storage.write_bytes(storage.join(uri, "config.json"), config)
        return f"the averaged weights of step {step} are kept in {uri}"

    def _save(self, *, again: bool = False) -> None:
        """`again`: also where this step is saved already, for the state has changed since."""
        if self.group.rank == 0 and (again or self.step != self.saved_step):
            state = {
                "step": self.step,
                "images": self.images,
                "elapsed_s": self.elapsed_s,
                "train_s": self.train_s,
                "figures": self.figures,
                "hardware": self.hardware,
                "supervisor": self.supervisor.to_json(),
            }
            checkpoint.save(self.spec, self.learner, self.ema, state)
            self.supervisor.keep()
            if self.journal:
                self.journal.flush()
        self.saved_step, self.saved_at_s = self.step, self.elapsed_s

    def result(self) -> TrainResult:
        ran = self.step - self.first_step
        if self.journal and (ran or not self.journal.has_sheet(self.step)):
            self._draw_sheet()
            self.journal.close()
        monitor, note = self.supervisor.monitor, self.supervisor.note
        step = published_step(monitor)
        if step is None:
            tensors = best.result_tensors(self.learner, self.ema)
        else:
            tensors, _ = best.load_result(self.spec, step)
        averages = loaded(self.ema.modules, tensors)
        finished = self.learner.finish(averages, self.dataset, preview=self.group.rank > 0)
        tensors |= named_tensors(finished.fitted)
        metrics = self._metrics() | finished.metrics | watch_metrics(monitor, note, self.step)
        card = recipe_card(self.spec, self.dataset, metrics)
        card += watch_card(self.spec, monitor, note, self.step)
        png = self.sheet.png(finished.sampler)
        return TrainResult(self.config, tensors, metrics, png, card, ran)

    def _metrics(self) -> Json:
        return {
            "steps": self.step,
            "images": self.images,
            "train_seconds": round(self.elapsed_s, 1),
            "images_per_s": round(self.images / self.train_s, 1) if self.train_s else 0.0,
            "sampler_parameters": parameter_count(self.ema.modules["sampler"]),
            **self.hardware,
            **{name: round(value, 5) for name, value in self.figures.items()},
        }
