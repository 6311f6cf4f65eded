"""Jobs whose gates compare images with all others: rounds of candidates, then assembly.

OUT/_rounds/<r>/00042.json               a shard's candidates of round r are staged: which files
OUT/_rounds/<r>/part-00042-<attempt>.*   their rows, not signed yet, and their fingerprints
OUT/_rounds/<r>/refused.npy              which of them are duplicates: sorted int64 orders

Round 0 has a candidate for every item; round r + 1 has the next acceptable one for each item whose
candidate was refused in round r. A round is judged when all its shards are staged. What is staged
follows from the job and the refusals before alone, so an attempt that comes late, or twice, writes
the same rows and whichever record stands is right. When a round refuses nothing, each shard is put
together from its rounds, signed if the job asks for it, and committed like any other: nothing is
signed that is not delivered.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from aigc import arrow, storage
from aigc.generation import duplicates, round_files
from aigc.generation.item_generator import ItemGenerator
from aigc.generation.pipeline import (
    OnItems,
    OutputRows,
    blocks,
    generated_batches,
    rows_of,
    write_shard,
)
from aigc.generation.prefetch import prefetch
from aigc.job.keys import ATTEMPT, Ints
from aigc.job.plan import Job, keys_at
from aigc.modalities import MODALITIES
from aigc.output import items, schema
from aigc.output.generated import GeneratedBatch
from aigc.output.parquet import open_writer
from aigc.types import Finalizer, Json, OnBytes, Shard, ShardRecord

REASON = "duplicate"


def pending(job: Job, orders: Ints | None) -> list[Shard]:
    """Shards with items still to make: all in round 0, then those with refused candidates."""
    if orders is None:
        return list(job.plan())
    numbers = {job.shard_of(index) for index in np.unique(orders % ATTEMPT).tolist()}
    return [job.shard(number) for number in sorted(numbers)]


def candidates(job: Job, orders: Ints | None, shards: set[int]) -> int:
    """How many a round has in some of its shards; `orders` were refused before, None in round 0."""
    if orders is None:
        return sum(job.shard(number).items for number in shards)
    return sum(job.shard_of(index) in shards for index in (orders % ATTEMPT).tolist())


def how_far(job: Job, out: str) -> Json | None:
    """The round a job is in: its number, its shards staged of those `planned`, the items that have
    a candidate `made`, and those `refused` as duplicates if it is judged. None before the first."""
    numbers = storage.folders(storage.join(out, "_rounds"))
    if not numbers:
        return None
    number = max(map(int, numbers))
    orders = round_files.read_refused(out, number - 1) if number else None
    planned, there = pending(job, orders), round_files.staged(out, number)
    refused = round_files.read_refused(out, number)
    left = candidates(job, orders, {shard.number for shard in planned} - there)
    return {
        "round": number,
        "shards": len(there),
        "planned_shards": len(planned),
        "made": job.count - left - (0 if refused is None else len(refused)),
        "refused": None if refused is None else len(refused),
    }


@dataclass(frozen=True)
class StageCandidates:
    """The unit of a round: one shard's candidates, judged by themselves, rows and signatures."""

    shard: Shard
    number: int

    def __str__(self) -> str:
        return f"round {self.number} of {self.shard}"

    @property
    def items(self) -> int:
        return self.shard.items

    def __call__(
        self, item_generator: ItemGenerator, out: str, on_items: OnItems
    ) -> Finalizer[int]:
        """To close it is to store them: it gives how many candidates were staged."""
        started = time.time()
        indices, attempts = _asked(self.shard, self.number, out)
        name = f"part-{self.shard.number:05d}-{uuid.uuid4().hex[:8]}"
        where = round_files.folder(out, self.number)
        target = storage.join(where, f"{name}.parquet")
        refused: Counter[str] = Counter()
        signatures: list[duplicates.Signatures] = []
        columns = schema.schema(item_generator.job, item_generator.briefs)
        source = MODALITIES[item_generator.job.modality].source

        def finished(made: GeneratedBatch) -> tuple[OutputRows, duplicates.Signatures]:
            orders = made.attempts * ATTEMPT + made.indices
            found = duplicates.signatures(orders, made.items, source)
            return rows_of(item_generator, columns, made, signs=False), found

        with contextlib.ExitStack() as until_written:
            local = until_written.enter_context(storage.scratch_file(target))
            with open_writer(local, columns) as writer:
                for rows, found in prefetch(
                    finished,
                    generated_batches(item_generator, indices, attempts),
                    item_generator.encoders,
                ):
                    writer.write(rows.batch)
                    signatures.append(found)
                    refused.update(rows.refused)
                    on_items(len(rows.indices))
            until_uploaded = until_written.pop_all()

        def close(on_bytes: OnBytes) -> int:
            with until_uploaded:
                storage.upload(local, target, on_bytes)
            together = duplicates.concatenate(signatures)
            storage.write_bytes(storage.join(where, f"{name}.signatures"), together.to_bytes())
            took = [round(started, 3), round(time.time() - started, 3)]
            record: Json = {"file": f"{name}.parquet", "signatures": f"{name}.signatures"}
            record |= {"refused": dict(refused), "rows": len(indices), "took": took}
            note = json.dumps(record).encode()
            storage.write_bytes(round_files.record_uri(out, self.number, self.shard.number), note)
            return len(indices)

        return Finalizer(close)


@dataclass(frozen=True)
class FindDuplicates:
    """The unit that looks for duplicates in one part of all signatures up to a round."""

    part: duplicates.Part
    number: int

    def __str__(self) -> str:
        return f"duplicates of round {self.number}, {self.part}"

    def __call__(self, item_generator: ItemGenerator, out: str, on_items: OnItems) -> Ints:
        """Returns the refused orders of this round, in no order."""
        gate = item_generator.job.gates.duplicates
        assert gate is not None

        def heard() -> Iterator[duplicates.Signatures]:
            for found in round_files.signatures_until(out, self.number):
                yield found
                on_items(len(found))

        return duplicates.find(self.part, heard(), gate)


@dataclass(frozen=True)
class AssembleShard:
    """The unit that puts one shard together from the rounds and commits it."""

    shard: Shard
    rounds: int

    def __str__(self) -> str:
        return str(self.shard)

    @property
    def items(self) -> int:
        return self.shard.items

    def __call__(
        self, item_generator: ItemGenerator, out: str, on_items: OnItems
    ) -> Finalizer[ShardRecord]:
        read = {n: round_files.read_record(out, n, self.shard.number) for n in range(self.rounds)}
        staged = {number: record for number, record in read.items() if record is not None}
        earlier = tuple((record["took"][0], record["took"][1]) for record in staged.values())
        parts = self._rows(item_generator, out, staged)
        rows = prefetch(functools.partial(_signed, item_generator), parts, item_generator.encoders)
        return write_shard(item_generator, self.shard, out, rows, on_items, earlier)

    def _rows(
        self, item_generator: ItemGenerator, out: str, staged: dict[int, Json]
    ) -> Iterator[OutputRows]:
        columns = schema.schema(item_generator.job, item_generator.briefs)
        tables, refused = [], Counter[str]()
        for number, record in staged.items():
            table = round_files.read_table(
                storage.join(round_files.folder(out, number), record["file"])
            )
            kept = _kept(table, round_files.read_refused(out, number))
            refused.update(record["refused"])
            if doubles := table.num_rows - int(kept.sum()):
                refused[REASON] += doubles
            tables.append(table.filter(arrow.flags(kept)))
        table = pa.concat_tables(tables).unify_dictionaries().sort_by("index")
        for block in blocks(item_generator.job, np.arange(table.num_rows)):
            batch = table.slice(int(block[0]), len(block)).combine_chunks().to_batches()[0]
            yield _as_rows(item_generator, batch.cast(columns), refused)
            refused = Counter()


def _asked(shard: Shard, number: int, out: str) -> tuple[Ints, Ints]:
    """Indices (N,) of `shard` to make in a round, and the attempt (N,) each starts from."""
    if number == 0:
        indices = np.arange(shard.start, shard.stop, dtype=np.int64)
        return indices, np.zeros(len(indices), np.int64)
    orders = round_files.read_refused(out, number - 1)
    assert orders is not None
    indices = orders % ATTEMPT
    inside = (indices >= shard.start) & (indices < shard.stop)
    order = np.argsort(indices[inside])
    return indices[inside][order], orders[inside][order] // ATTEMPT + 1


def _kept(table: pa.Table, refused: Ints | None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if refused is None:
        return np.ones(table.num_rows, bool)
    attempts = arrow.values(table["candidate"]) // ATTEMPT
    return ~np.isin(attempts * ATTEMPT + arrow.values(table["index"]), refused)


def _signed(item_generator: ItemGenerator, rows: OutputRows) -> OutputRows:
    if not item_generator.signs:
        return rows
    ids = rows.batch["id"].to_pylist()
    signed = item_generator.signed(rows.files, rows.indices, ids)
    batch = items.with_files(rows.batch, signed.files)
    return dataclasses.replace(rows, batch=batch, files=signed.files, unstamped=signed.unstamped)


def _as_rows(
    item_generator: ItemGenerator, batch: pa.RecordBatch, refused: Counter[str]
) -> OutputRows:
    indices = arrow.values(batch.column("index"))
    candidates = arrow.values(batch.column("candidate"))
    keys = keys_at(item_generator.job, item_generator.briefs, indices, candidates // ATTEMPT)
    return OutputRows(batch, indices, items.files(batch), item_generator.job.codes(keys), refused)
