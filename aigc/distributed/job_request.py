"""Turns a spec into a job in its output folder: a new one, or the one found there."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from aigc import storage
from aigc.audit import AuditLog
from aigc.conditions.labels import fold
from aigc.distributed.runtime import choose_device, make_backend, require_capacity
from aigc.errors import SpecError, listed
from aigc.execution.planning import (
    plan_job,
    probe_keys,
    read_briefs,
    require_possible,
    require_signer,
    write_briefs,
)
from aigc.execution.pool import WorkerPool
from aigc.execution.shard_work import MeasureGates, ShardSetup
from aigc.families.protocol import Generator, InferenceConfig
from aigc.generation import gates as gating
from aigc.generation.engine import best_precision
from aigc.job.blocked import REFUSED, block_list
from aigc.job.briefs import Briefs, Reading, Reject
from aigc.job.plan import DataDigests, Job
from aigc.modalities import MODALITIES
from aigc.output import commit, files
from aigc.provenance.spec import Provenance
from aigc.specs import Gates, GenerateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Labels, Notice

_SHOWN_REJECTS = 100


def audited(out: str, job: Job) -> Json:
    """What the audit log says of a set."""
    about = {"set": out, "model": job.model, "model_digest": job.model_digest, "items": job.count}
    gates = job.gates.model_dump(mode="json", exclude_none=True)
    return about | ({"gates": gates} if job.gates.any else {})


@dataclass(frozen=True)
class JobRequest:
    """A spec, its model and the output folder, which differs from the spec's for an estimate."""

    spec: GenerateSpec
    version: ModelVersion
    out: str
    on_cluster: bool
    notice: Notice
    audit: AuditLog = field(default_factory=AuditLog)

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Raises StoreError if the model is damaged."""
        return ModelStore().load(self.version)

    @functools.cached_property
    def gates(self) -> Gates:
        """The spec's gates with absolute URIs, which workers in other folders can open."""
        gates = self.spec.gates
        return gates.with_data({gate: storage.absolute(uri) for gate, uri in gates.data.items()})

    def _generator(self) -> Generator:
        config = self.version.config
        return config.family.load(config, self.tensors, InferenceConfig())

    def open(self) -> tuple[ShardSetup, list[Reject]]:
        """Open or resume the job; returns the setup of its workers and the rejected briefs.

        Raises:
            SpecError: `out` holds another job, or the spec does not fit the model.
            PlacementError: no node fits a worker.
            StoreError: the model is damaged.
            CredentialsError: nothing could be signed.
            AuditError: that the job starts cannot be logged. In each case nothing was written.
        """
        found = commit.find_job(self.out)
        if found is None:
            include_scores = "scores" in self.spec.include
            gating.require_fitting(self.gates, self.version.config)
            item = self.version.config.item
            gating.require(self.gates, include_scores, self._generator, item)
        log = self._log_refused if found is None else (lambda rejects: None)
        reading = read_briefs(self.spec, self.version, log)
        if found is None:
            self._check_block_list(is_read=reading is not None)
        briefs = reading.briefs if reading else None
        rejects = reading.rejects if reading else []
        if reading:
            self._report(reading)
        planned = self._plan(found, briefs)
        self._report_untrained(briefs.patterns if briefs else (planned.pattern,))
        if found is None:
            files.require_names(self.out, planned, briefs)
            require_possible(self.spec, planned, briefs)
            require_capacity(planned, self.spec.placement, self.on_cluster)
        is_open = found is None or commit.read_manifest(self.out) is None
        asked = self.spec.provenance
        secrets = require_signer(asked, planned, self.notice) if is_open else None
        tensors = self.tensors if self.on_cluster or found is None else None
        if is_open:
            self.audit.record("set.started", **audited(self.out, planned))
        job = commit.open_job(self.out, planned)
        write_briefs(self.out, briefs, rejects)
        shipped = tensors if self.on_cluster else None
        return ShardSetup(job, self.version, self.out, briefs, shipped, secrets), rejects

    def _check_block_list(self, is_read: bool) -> None:
        """Raises SpecError: its file cannot be read; briefs have read it already."""
        if not is_read:
            block_list(self.spec.blocked)
        known = {fold(name) for name in self.version.config.labels}
        unknown = [name for name in self.spec.blocked.labels if fold(name) not in known]
        if unknown:
            what = f"blocked.labels = {listed(unknown)}"
            self.notice(f"{what}: {self.version.ref} has no such label, so this blocks nothing")

    def _plan(self, found: Job | None, briefs: Briefs | None) -> Job:
        """The job of the spec, with measured values from the job found in `out`, if any."""
        device = found.device if found else choose_device(self.spec.placement, self.on_cluster)
        precision = found.precision if found else best_precision(device)

        def plan(gates: Gates) -> Job:
            spec = self.spec.model_copy(update={"gates": gates})
            return plan_job(spec, self.version, device, precision, briefs)

        job, resolved, realism = plan(self.gates), self.gates, self.gates.realism
        if found is not None:
            resolved = found.gates
        elif realism is not None and realism.percentile is not None:
            resolved = self._measure(plan(Gates()), briefs)
        known = {"gates": resolved, "data_digests": self._data_digests(found)}
        return job.model_copy(update=known | ({"created": found.created} if found else {}))

    def _data_digests(self, found: Job | None) -> DataDigests:
        """Raises SpecError if a data set is missing, unless the set is complete."""
        try:
            return DataDigests(**gating.data_digests(self.gates))
        except SpecError:
            if found is None or commit.read_manifest(self.out) is None:
                raise
            return found.data_digests

    def _measure(self, ungated: Job, briefs: Briefs | None) -> Gates:
        """The gates with percentiles resolved on the workers' hardware, by a fixed probe."""
        spec, config, found = self.spec, self.version.config, list[Gates]()
        unit = MeasureGates(self.gates, probe_keys(spec, config, briefs))
        one = spec.placement.model_copy(update={"workers": 1, "max_workers": None})
        tensors = self.tensors if self.on_cluster else None
        plain = ungated.model_copy(update={"provenance": Provenance()})  # nothing is encoded
        setup = ShardSetup(plain, self.version, self.out, briefs, tensors)
        with WorkerPool(make_backend(setup, one, self.on_cluster), one, self.notice) as pool:
            pool.run([unit], 1, found.append)
        return found[0]

    def _log_refused(self, rejects: Sequence[Reject]) -> None:
        """Raises AuditError."""
        refused = [each for each in rejects if each.code == REFUSED]
        about: Json = {"set": self.out, "briefs": self.spec.briefs, "model": self.version.ref}
        each = [
            about | {"row": one.row, "brief_id": one.brief_id, "reason": one.reason}
            for one in refused
        ]
        self.audit.record_all("brief.refused", each)

    def _report(self, reading: Reading) -> None:
        for note in reading.notes:
            self.notice(note)
        if reading.rejects:
            self._report_rejects(reading.rejects)

    def _report_untrained(self, patterns: Sequence[Sequence[int] | Labels]) -> None:
        """Report labels without training items: left out, or generated because they are named."""
        config = self.version.config
        if not (config.conditional and config.untrained):
            return
        asked = {config.labels[at] for pattern in patterns for at in set(pattern)}
        made = [name for name in config.untrained if name in asked]
        title = MODALITIES[config.modality].title
        if made:
            self.notice(
                f"labels: {listed(made)} have no training {title}; their items will not "
                "resemble the label"
            )
        elif not self.spec.labels:
            self.notice(
                f"labels: {listed(config.untrained)} have no training {title} and are left out "
                "unless they are named"
            )

    def _report_rejects(self, rejects: Sequence[Reject]) -> None:
        """Report the first one and the file with all of them; in an estimate, report several."""
        many = len(rejects)
        summary = "1 brief is rejected" if many == 1 else f"{many:,} briefs are rejected"
        if self.out == storage.absolute(self.spec.out):
            first = f"the first in row {rejects[0].row}: {rejects[0].reason}"
            where = storage.join(self.out, "rejects.jsonl")
            self.notice(f"{summary}, {first}; all of them: {where}")
            return
        self.notice(f"{summary}:")
        for reject in rejects[:_SHOWN_REJECTS]:
            self.notice(f"row {reject.row}: {reject.reason}")
        if len(rejects) > _SHOWN_REJECTS:
            self.notice(f"and {len(rejects) - _SHOWN_REJECTS:,} more")
