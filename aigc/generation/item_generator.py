"""Indices of items to delivered files: render, judge, replace the refused, shape, encode."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aigc import arrow
from aigc.errors import GatesError
from aigc.generation.delivery import AT_ONCE_BYTES, to_files_each
from aigc.generation.engine import Engine
from aigc.generation.finishing import Finisher, SignedFiles
from aigc.generation.gates import GateSet
from aigc.job.briefs import Briefs
from aigc.job.formats import formats_of
from aigc.job.keys import Ints
from aigc.job.plan import Job, keys_at
from aigc.output.generated import GeneratedBatch
from aigc.provenance.statement import ItemFacts

_ENOUGH_CANDIDATES = 1000
"""Fewer say too little about the share that gates accept."""


class ItemGenerator:
    """Everything one process needs to make any item of a job; `encoders` threads make files, which
    `finisher` marks and signs."""

    def __init__(
        self,
        job: Job,
        briefs: Briefs | None,
        engine: Engine,
        gates: GateSet | None,
        finisher: Finisher,
        encoders: int = 1,
    ) -> None:
        self.job, self.briefs, self.engine, self._finisher = job, briefs, engine, finisher
        self._gates, self.encoders = gates, encoders
        self._tried, self._kept = 0, 0
        self._formats, self._format_of = formats_of(job.delivery, job.form, briefs)

    def make(self, indices: Ints, attempts: Ints) -> GeneratedBatch:
        """The first acceptable candidate of each of `indices` (N,), from its `attempts` (N,) on.

        Raises:
            GatesError: gates refused nearly everything, or every attempt at one item.
        """
        if self._gates is not None:
            return self._accepted(self._gates, indices, attempts.copy())
        keys = keys_at(self.job, self.briefs, indices, attempts)
        return GeneratedBatch(indices, attempts, keys, self.engine.render(keys).items)

    def parts(self, made: GeneratedBatch) -> Iterator[GeneratedBatch]:
        """`made` in parts of a bounded delivered size, one item at least: items may be asked for
        many times as large as the model makes them."""
        job = self.job
        items = [job.delivery.delivered(job.form, wanted) for wanted in self._formats]
        sizes = np.array([item.size_bytes for item in items])
        part = np.cumsum(sizes[self._formats_of(made.indices)]) // AT_ONCE_BYTES
        edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(made.indices)]
        return (made[start:stop] for start, stop in itertools.pairwise(edges))

    def ids(self, made: GeneratedBatch) -> list[str]:
        """(N,) of the items."""
        return self.job.item_ids(made.keys, made.indices, self.briefs)

    def files(self, made: GeneratedBatch, ids: Sequence[str] | None = None) -> list[bytes]:
        """The items as they are before they are signed: resized, encoded and marked as
        AI-generated. `ids` are those of `made`, where they are known already."""
        job, finisher, of = self.job, self._finisher, self._formats_of(made.indices)
        ids = self.ids(made) if ids is None else ids
        overlay = finisher.overlay.of(ids)
        files = to_files_each(job.delivery, made.items, job.form, self._formats, of, overlay)
        return finisher.mark(files, self._codecs(of), self._facts(made.indices, ids))

    @property
    def signs(self) -> bool:
        return self._finisher.signs

    def signed(self, files: list[bytes], indices: Ints, ids: Sequence[str]) -> SignedFiles:
        """What `files` gave for the items `indices` (N,), signed if the job asks for it.

        Raises CredentialsError if signing fails.
        """
        if not self.signs:
            return SignedFiles(files)
        codecs = self._codecs(self._formats_of(indices))
        return self._finisher.sign(files, codecs, self._facts(indices, ids))

    def _codecs(self, of: Ints) -> list[str]:
        codecs = [wanted.codec for wanted in self._formats]
        return [codecs[at] for at in of.tolist()]

    def _facts(self, indices: Ints, ids: Sequence[str]) -> list[ItemFacts]:
        if self.briefs is None or not self.job.prompt_column:
            return [ItemFacts(found) for found in ids]
        rows = self.briefs.rows(indices)
        prompts = self.briefs.table[self.job.prompt_column].take(arrow.numbers(rows)).to_pylist()
        return [ItemFacts(*row) for row in zip(ids, (said or "" for said in prompts), strict=True)]

    def latents(self, made: GeneratedBatch) -> npt.NDArray[np.float32] | None:
        """(N, latent_dim), if the job includes them."""
        if "latents" not in self.job.include:
            return None
        vectors: npt.NDArray[np.float32] = self.engine.points(made.keys).vectors.numpy()
        return vectors

    def _formats_of(self, indices: Ints) -> Ints:
        """(N,) numbers of the items' formats."""
        if self.briefs is None or len(self._formats) == 1:
            return np.zeros(len(indices), np.int64)
        return self._format_of[self.briefs.rows(indices)]

    def _accepted(self, gates: GateSet, indices: Ints, attempts: Ints) -> GeneratedBatch:
        keys = keys_at(self.job, self.briefs, indices, attempts)
        made = GeneratedBatch(indices, attempts, keys, self.engine.item.empty(len(indices)))
        rows = np.arange(len(indices))
        while len(rows):
            keys = keys_at(self.job, self.briefs, indices[rows], attempts[rows])
            samples = self.engine.render(keys)
            result = gates(samples)
            kept = rows[result.keep]
            made.items[kept] = samples.items[result.keep]
            for name, scores in result.scores.items():
                found = made.scores.setdefault(name, np.empty(len(indices), np.float32))
                found[kept] = scores[result.keep]
            made.refused.update(reason for reason in result.reasons if reason is not None)
            self._tried, self._kept = self._tried + len(rows), self._kept + len(kept)
            rows = rows[~result.keep]
            attempts[rows] += 1
            self._require_progress(made, attempts[rows], rows)
        made.keys = keys_at(self.job, self.briefs, indices, attempts)
        return made

    def _require_progress(self, made: GeneratedBatch, attempts: Ints, rows: Ints) -> None:
        gates = self.job.gates
        counts = ", ".join(f"{reason} {count:,}" for reason, count in made.refused.most_common())
        if self._tried >= _ENOUGH_CANDIDATES and self._kept < gates.min_accepted * self._tried:
            raise GatesError(
                f"gates accept {self._kept:,} of {self._tried:,} candidates, below "
                f"gates.min_accepted = {gates.min_accepted:g} (refused: {counts}); "
                "loosen the gates or train the model further"
            )
        if len(rows) and int(attempts.max()) >= gates.max_draws:
            index = int(made.indices[rows[int(attempts.argmax())]])
            raise GatesError(
                f"item {index}: all of gates.max_draws = {gates.max_draws} candidates were refused "
                f"(in this shard: {counts}); loosen the gates or raise gates.max_draws"
            )
