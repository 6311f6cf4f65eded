"""Looks at a run while it lasts, keeps its best model and acts on verdicts; on every worker alike.

Rank 0 alone looks, a second or so; the others wait for its figures in `Group.agree`, whose time
limit (`placement.timeout_s`, half an hour by default) is far longer.
"""

from __future__ import annotations

import dataclasses
import math
import time

import torch

from aigc.data.dataset import Dataset
from aigc.families.config import ModelConfig
from aigc.specs import TrainSpec
from aigc.training import best, checkpoint
from aigc.training.adjustments import Adjustments
from aigc.training.ema import Ema
from aigc.training.health import Health, HealthVerdict
from aigc.training.journal import Journal
from aigc.training.learner import Learner
from aigc.training.looks import NUMBERS, Look, Looker
from aigc.training.moments import look_every_steps, next_look_s
from aigc.training.parallel import Group
from aigc.training.sheets import SampleSheet
from aigc.training.watch import MonitorState, Response, TrainingMonitor
from aigc.types import Json, Notice


class Supervisor:
    def __init__(
        self,
        spec: TrainSpec,
        config: ModelConfig,
        dataset: Dataset,
        device: torch.device,
        group: Group,
        learner: Learner,
        ema: Ema,
        state: Json,
    ) -> None:
        """`state` is what `to_json` gave to the checkpoint, {} for a new run."""
        self._spec, self._config, self._device, self._group = spec, config, device, group
        self._learner, self._ema, self._dataset = learner, ema, dataset
        self._sheet = SampleSheet(config, spec.seed, device)
        discriminator = learner.published_raw.get("discriminator")
        self._looker = Looker(spec, config, dataset, device, discriminator)
        kept = MonitorState.from_json(state["watch"]) if state else MonitorState()
        self.monitor = TrainingMonitor(spec, kept)
        self.health = Health(spec, state.get("health"))
        self._every_steps = look_every_steps(spec)
        learner.adjust(self.adjustments)

    @property
    def adjustments(self) -> Adjustments:
        return self.monitor.state.adjustments

    @property
    def stopped(self) -> str | None:
        """Why the run has been ended before its limits."""
        return self.monitor.state.stopped

    @property
    def note(self) -> str:
        """What the figures of looks cannot show with this data set; empty if nothing."""
        return self._looker.note if self._spec.watch.enabled else ""

    def to_json(self) -> Json:
        return {"watch": self.monitor.state.to_json(), "health": self.health.to_json()}

    def due(self, step: int, elapsed_s: float) -> bool:
        """Whether this is the moment for a look; the same answer on every worker."""
        if not self._spec.watch.enabled or self.seen(step):
            return False
        if self.monitor.state.first is None:
            return True
        if self._every_steps is not None:
            return step % self._every_steps == 0
        return elapsed_s >= self.monitor.state.next_s

    def seen(self, step: int) -> bool:
        """Whether the last look was at this step."""
        last = self.monitor.state.last
        return last is not None and last.step == step

    def look(
        self, step: int, images: int, elapsed_s: float, done: float, journal: Journal | None
    ) -> HealthVerdict | None:
        """Take one of the run, of which the share `done` is done, and keep the model if it is the
        best; what is wrong, if it shows now."""
        numbers = [math.nan] * NUMBERS
        sampler, state = self._ema.modules["sampler"], self.monitor.state
        if self._group.rank == 0:
            began, averages = time.monotonic(), self._ema.modules
            sampler = self._learner.finish(averages, self._dataset, preview=True).sampler
            found = self._looker.look(sampler, step, images)
            numbers = dataclasses.replace(found, seconds=time.monotonic() - began).numbers()
        look = Look.of_numbers(step, images, self._group.agree(numbers, self._device))
        verdict = self.monitor.take(look, done)
        state.next_s = next_look_s(self._spec, elapsed_s, look.seconds, state.first is look)
        if journal:
            journal.log({"step": step} | _curves(look))
        if state.best is look:
            if self._group.rank == 0:
                png = self._sheet.png(sampler)
                best.save(self._spec, self._config, self._learner, self._ema, look, png)
            self._group.agree([0.0], self._device)  # nobody reads before all is written
        return verdict

    def act(
        self,
        verdict: HealthVerdict,
        step: int,
        images: int,
        journal: Journal | None,
        notice: Notice,
    ) -> bool:
        """Remedy what `verdict` says, or end the run; False when only the caller can end it: it
        diverged, and there is no model to end it with."""
        if not self._spec.watch.enabled:
            return False
        state, response = self.monitor.state, self.monitor.respond(verdict, images)
        if not response.remedies and not response.stop:
            return True
        learned = state.best is not None and state.best.step > 0
        if verdict.kind == "diverged" and response.stop and not learned:
            return False
        back = self._go_back(verdict, response, step)
        self._learner.adjust(self.adjustments)
        self.health = Health(self._spec)
        said = self._sentence(verdict, response, step, back)
        state.stopped = said if response.stop else None
        event: Json = {
            "step": step,
            "images": images,
            "kind": verdict.kind,
            "reason": verdict.reason,
        }
        event |= {"remedies": list(response.remedies), "back_to_step": back}
        state.events.append(event | {"stopped": response.stop, "message": said})
        if journal:
            journal.event(state.events[-1])
        notice(said)
        return True

    def keep(self) -> None:
        """Delete models that neither a kept checkpoint nor this run goes back to. Rank 0."""
        kept = [state["supervisor"]["watch"] for state in checkpoint.kept_states(self._spec)]
        looks = [state["best"] for state in kept if state["best"]]
        mine = self.monitor.state.best
        best.prune(self._spec, [*(look["step"] for look in looks), *([mine.step] if mine else [])])

    def _go_back(self, verdict: HealthVerdict, response: Response, step: int) -> int | None:
        """The step gone back to, if any. One that diverged cannot be saved as it is."""
        known = self.monitor.state.best
        wanted = "restore" in response.remedies or verdict.kind == "diverged"
        if not wanted or known is None or known.step == step:
            return None
        best.restore(self._spec, self._learner, self._ema, known.step)
        return known.step

    def _sentence(
        self, verdict: HealthVerdict, response: Response, step: int, back: int | None
    ) -> str:
        parts = [f"back to step {back:,}"] if back is not None else []
        now = self.adjustments
        if "lower_lr" in response.remedies:
            parts.append(f"learning rate x {now.lr:g}")
        if "raise_penalty" in response.remedies:
            parts.append(f"penalties x {now.penalty:g}")
        if "raise_augment" in response.remedies:
            parts.append(f"augmentation + {now.augment:g}")
        if response.stop:
            many = "remedy" if response.number == 1 else "remedies"
            parts.append(f"training stops after {response.number} {many}")
        else:
            parts[-1] += f" (remedy {response.number} of {self._spec.watch.max_remedies})"
        kind = {"overfitting": "the discriminator overfits"}.get(verdict.kind, verdict.kind)
        return f"step {step:,}: {kind}: {verdict.reason}; {', '.join(parts)}"


def _curves(look: Look) -> dict[str, float]:
    values = dataclasses.asdict(look.figures)
    return {f"held_out/{name}": v for name, v in values.items() if math.isfinite(v)}
