"""The training loop: torch only, alone or as one of several workers, always resumable."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from aigc import storage
from aigc.data.dataset import open_dataset
from aigc.data.loader import Loader
from aigc.errors import JobError, SpecError
from aigc.modalities.image import to_network
from aigc.models import ModelConfig, parameter_count
from aigc.specs import GanModel, TrainSpec
from aigc.training import checkpoint
from aigc.training.device import training_device
from aigc.training.draws import Draws
from aigc.training.ema import Ema, named_tensors
from aigc.training.gan import GanLearner
from aigc.training.health import Health
from aigc.training.journal import Journal
from aigc.training.learner import Batch, Learner
from aigc.training.parallel import Group
from aigc.training.runs import model_config, recipe_card
from aigc.training.schedule import learning_rate, progress
from aigc.training.sheets import Sheet
from aigc.training.vae import VaeLearner
from aigc.types import Json, Labels, Report, UInt8Images, silent

_REPORT_EVERY_S = 2.0

Stop = Callable[[], bool]


@dataclass(frozen=True)
class TrainResult:
    """A finished run. `tensors` are the averaged weights `sampler.*`, for a VAE `encoder.*` and the
    prior `sampler.prior.*`, and a GAN's last `discriminator.*`. Of several workers, the first one's
    is the result: only there the prior is fitted to the end."""

    config: ModelConfig
    tensors: dict[str, Tensor]
    metrics: Json
    samples_png: bytes
    card: str
    """Markdown about the data and the recipe."""
    steps_run: int
    """Steps made by this call; 0 when the run was finished before."""


def train(
    spec: TrainSpec,
    *,
    rank: int = 0,
    world: int = 1,
    report: Report = silent,
    stop: Stop = lambda: False,
) -> TrainResult:
    """Train to the end of `spec`, from the newest checkpoint in `spec.out` if there is one.

    Every worker calls this with its `rank`; `world` > 1 needs torch.distributed set up. `report`
    gets images done and in all, on rank 0. When `stop` says so on rank 0, or SIGTERM comes, a
    checkpoint is written first. On a CPU a resumed run gives the same bits as an undisturbed one
    if `steps` is the limit.

    Raises:
        DataError: the data set is missing or unfinished.
        SpecError: `spec.out` holds another run, or the pictures' size cannot be made.
        JobError: training diverged, or was stopped; names what was kept.
    """
    run = _Run(spec, Group(rank, world))
    with _on_sigterm(stop) as stopping:
        run.train(report, stopping)
    return run.result()


class _Run:
    def __init__(self, spec: TrainSpec, group: Group) -> None:
        dataset = open_dataset(spec.data)
        if spec.batch_size % (group.world * spec.accumulate):
            raise SpecError(
                f"batch_size {spec.batch_size} cannot be divided by {group.world} workers x "
                f"accumulate {spec.accumulate}; choose a multiple"
            )
        self.spec, self.group, self.device = spec, group, training_device()
        self.dataset, self.config = dataset, model_config(spec, dataset)
        checkpoint.claim(spec, dataset.digest)
        torch.manual_seed(spec.seed)
        family = GanLearner if isinstance(spec.model, GanModel) else VaeLearner
        self.learner: Learner = family(spec, self.config, self.device, group)
        self.ema = Ema(self.learner.published, spec.ema_half_life_images)
        self.sheet = Sheet(self.config, spec.seed, self.device)
        self.health = Health(spec)
        per_worker = spec.batch_size // group.world
        self.loader = Loader(
            dataset, "train", per_worker, seed=spec.seed, rank=group.rank, world=group.world
        )
        self._restore()
        self.first_step = self.step
        self.journal = Journal(spec.out, self.step) if group.rank == 0 else None
        self.good: tuple[int, dict[str, Tensor]] | None = None
        self.figures: dict[str, float] = {}

    def _restore(self) -> None:
        found = checkpoint.restore_latest(self.spec, self.learner, self.ema)
        state: Json = found.state if found else {}
        self.step: int = state.get("step", 0)
        self.elapsed_s: float = state.get("elapsed_s", 0.0)
        self.train_s: float = state.get("train_s", 0.0)
        self.figures = state.get("figures", {})
        self.saved_step, self.saved_at_s = self.step if found else -1, self.elapsed_s

    @property
    def images(self) -> int:
        return self.step * self.spec.batch_size

    @property
    def done(self) -> float:
        return progress(self.spec, self.step, self.elapsed_s)

    def train(self, report: Report, stop: Stop) -> None:
        if self.done >= 1:
            return
        began, before_s, reported_s = time.monotonic(), self.elapsed_s, 0.0
        figures: dict[str, Tensor] = {}
        for pixels, labels in self.loader.batches(self.step):
            now = before_s + time.monotonic() - began
            self.elapsed_s, stopping = self.group.agree([now, float(stop())], self.device)
            if stopping:
                self._check_and_save(figures)
                raise JobError(
                    f"stopped at step {self.step}; the same command again goes on from "
                    f"{checkpoint.latest_uri(self.spec)}"
                )
            if self.done >= 1:
                break
            figures = self._step(pixels, labels)
            if self.step % self.spec.log_every == 0:
                self._check(figures)
            if self.journal and self.step % self.spec.sample_every == 0:
                shown = self.learner.finish(self.ema.modules, self.dataset, preview=True)
                self.journal.sheet(self.step, self.sheet.png(shown.sampler))
            if self.elapsed_s - self.saved_at_s >= self.spec.checkpoint_every_s:
                self._check_and_save(figures)
            if self.elapsed_s - reported_s >= _REPORT_EVERY_S:
                reported_s = self.elapsed_s
                report(self.images, self.images / max(self.done, 1e-9), **self._shown())
        self._check_and_save(figures)
        report(self.images, self.images, **self._shown())

    def _step(self, pixels: UInt8Images, labels: Labels) -> dict[str, Tensor]:
        began = time.monotonic()
        rate = learning_rate(self.spec, self.step, self.done)
        for optimizer in self.learner.optimizers.values():
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate
        figures = self.learner.step(self._micro_batches(pixels, labels), self.step)
        self.step += 1
        self.ema.update(self.images, self.spec.batch_size)
        self.train_s += time.monotonic() - began
        return figures

    def _micro_batches(self, pixels: UInt8Images, labels: Labels) -> list[Batch]:
        size = len(pixels) // self.spec.accumulate
        return [
            (
                to_network(pixels[start : start + size]).to(self.device),
                torch.from_numpy(labels[start : start + size]).to(self.device),
                Draws(self.spec.seed, self.step, self.group.rank, micro, str(self.device)),
            )
            for micro, start in enumerate(range(0, len(pixels), size))
        ]

    def _check(self, figures: dict[str, Tensor]) -> None:
        """Log, and stop the run on every worker alike when it has gone wrong."""
        norm = torch.stack([p.float().norm() for p in self._averages()]).norm()
        self.figures = self.group.average(figures | {"weight_norm": norm})
        complaint = self.health.complaint(self.step, self.figures)
        if complaint:
            raise JobError(f"training diverged at step {self.step}: {complaint}; {self._rescue()}")
        self.good = (self.step, self.ema.tensors())
        if self.journal:
            self.journal.log({"step": self.step, "images": self.images} | self._shown())

    def _check_and_save(self, figures: dict[str, Tensor]) -> None:
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
            return "it never ran well, so nothing was kept; lower lr or raise r1_gamma"
        step, tensors = self.good
        uri = storage.join(self.spec.out, "last-good")
        if self.group.rank == 0:
            storage.write_bytes(storage.join(uri, "model.safetensors"), save_tensors(tensors))
            config = self.config.model_dump_json(indent=2).encode()
            storage.write_bytes(storage.join(uri, "config.json"), config)
        return f"the averaged weights of step {step} are kept in {uri}"

    def _save(self) -> None:
        if self.group.rank == 0 and self.step != self.saved_step:
            state = {
                "step": self.step,
                "images": self.images,
                "elapsed_s": self.elapsed_s,
                "train_s": self.train_s,
                "figures": self.figures,
            }
            checkpoint.save(self.spec, self.learner, self.ema, state)
            if self.journal:
                self.journal.flush()
        self.saved_step, self.saved_at_s = self.step, self.elapsed_s

    def result(self) -> TrainResult:
        finished = self.learner.finish(self.ema.modules, self.dataset, preview=self.group.rank > 0)
        png = self.sheet.png(finished.sampler)
        if self.journal and self.step > self.first_step:
            self.journal.sheet(self.step, png)
            self.journal.close()
        metrics: Json = {
            "steps": self.step,
            "images": self.images,
            "train_seconds": round(self.elapsed_s, 1),
            "images_per_s": round(self.images / self.train_s, 1) if self.train_s else 0.0,
            "sampler_parameters": parameter_count(self.ema.modules["sampler"]),
            "workers": self.group.world,
            "device": str(self.device),
            **finished.metrics,
            **{name: round(value, 5) for name, value in self.figures.items()},
        }
        ran = self.step - self.first_step
        card = recipe_card(self.spec, self.dataset, metrics)
        as_they_are = self.learner.published_raw | finished.fitted
        tensors = self.ema.tensors() | named_tensors(as_they_are)
        return TrainResult(self.config, tensors, metrics, png, card, ran)


@contextlib.contextmanager
def _on_sigterm(stop: Stop) -> Iterator[Stop]:
    """`stop`, or SIGTERM since: only a main thread can hear signals, elsewhere `stop` decides."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heard = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        heard.set()

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield lambda: heard.is_set() or stop()
    finally:
        signal.signal(signal.SIGTERM, before)
