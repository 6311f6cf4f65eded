"""Raw files in, a clean data set out: decode, drop duplicates, split, write; marker last.

Nothing here knows how the work is spread: `execute` runs a function over tasks and yields the
results as they come. The result is a function of the spec and the source alone.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from aigc import storage
from aigc.cpus import usable_cpus
from aigc.data import card, kinds, layout, opening, work
from aigc.data.entries import first_of_meaning
from aigc.data.selection import Selection, select
from aigc.data.shards import plan, write_shard
from aigc.data.sources import RawSource, fingerprint
from aigc.errors import DataError, SpecError, shown
from aigc.specs import PrepareSpec
from aigc.types import Json, Report, silent

T = TypeVar("T")
R = TypeVar("R")
Results: TypeAlias = Generator[R, None, None]


class Execute(Protocol):
    """Runs `function` on each task, in any order and any number at a time; yields each result.

    Once closed, no task is running any more.
    """

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> Results[R]: ...


def in_process(function: Callable[[T], R], tasks: Sequence[T]) -> Results[R]:
    """Threads: decoding, resizing and encoding leave the interpreter lock."""
    with kinds.quiet(), ThreadPoolExecutor(min(8, usable_cpus())) as pool:
        running = [pool.submit(function, task) for task in tasks]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def finished(spec: PrepareSpec) -> Json | None:
    """The summary of the set at `spec.out` if this spec already made it of the source as it is, or
    as it was, where it is gone (`source_gone`).

    Raises:
        SpecError: another spec made it, the source has changed since, or the folder holds
            something else.
    """
    made = storage.read_json(storage.join(spec.out, layout.MARKER))
    if made is not None:
        if _spec_of(made, spec) != identity(spec):
            raise SpecError(
                f"out = {spec.out!r}: holds a data set made with {_difference(made, spec)}; "
                "choose another out or delete it"
            )
        gone = not storage.exists(spec.source) and not any(storage.everything(spec.source))
        if not gone:
            _require_unchanged(spec, made)
        storage.delete_tree(storage.join(spec.out, layout.WORK))
        return summary(spec.out, made) | {"reused": True, "source_gone": gone}
    if not storage.exists(_started(spec)) and (key := first_of_meaning(spec.out)):
        raise SpecError(f"out = {spec.out!r}: not empty ({key}); choose a new folder")
    if f"{spec.out}/".startswith(f"{spec.source}/"):
        raise SpecError(f"out = {spec.out!r}: lies inside the source; choose a folder outside")
    return None


def _require_unchanged(spec: PrepareSpec, made: Json) -> None:
    files = opening.entries(spec).files
    if made.get("source_fingerprint") == fingerprint(files):
        return
    before, now = made.get("source_files"), len(files)
    counts = "other content" if before == now else f"{before} files then, {now} now"
    raise SpecError(
        f"source = {spec.source!r}: has changed since {spec.out!r} was made of it ({counts}); "
        "choose another out, or delete that one to prepare it again"
    )


def prepare(
    spec: PrepareSpec, source: RawSource, execute: Execute = in_process, report: Report = silent
) -> Json:
    """Make the set; returns its summary. A killed call is resumed by the same call.

    Raises:
        DataError: more inputs were rejected than `max_rejects`, or none is left.
    """
    began = time.monotonic()
    fresh = not storage.exists(spec.out)
    storage.require_writable(spec.out)
    folder = _begin(spec, source)
    try:
        selection = _clean(spec, source, folder, execute, report)
    except DataError:
        _leave_nothing(spec.out, fresh)
        raise
    for split in layout.SPLITS:
        storage.delete_tree(storage.join(spec.out, split))
    shards = []
    for split in layout.SPLITS:
        rows = selection.rows(split)
        shards += plan(split, spec, selection.uris, rows, source)
    files = sorted(execute(write_shard, shards), key=lambda made: (made["split"], made["file"]))
    made = card.describe(spec, identity(spec), source, selection, files)
    card.write(spec, source, selection, made)
    made["wall_s"] = round(time.monotonic() - began, 2)
    storage.write_bytes(storage.join(spec.out, layout.MARKER), _json(made))
    storage.delete_tree(storage.join(spec.out, layout.WORK))
    return summary(spec.out, made) | {"reused": False, "source_gone": False}


def identity(spec: PrepareSpec) -> Json:
    """The fields that decide what comes out."""
    return spec.model_dump(mode="json", exclude={"out", "placement"})


def _spec_of(made: Json, spec: PrepareSpec) -> Json:
    """The identity of the spec that a set was made with. Fields that older sets do not have yet
    are at their defaults."""
    stored: Json = {"modality": "image"} | made.get("spec", {})
    if stored["modality"] != identity(spec)["modality"]:
        return stored
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in type(spec).model_fields.items()
        if not field.is_required()
    }
    return identity(spec.model_copy(update=defaults)) | stored


def summary(uri: str, made: Json) -> Json:
    """What a user wants to hear first of a data set."""
    return {
        "uri": uri,
        "modality": made.get("modality", "image"),
        "train": made["counts"]["train"],
        "test": made["counts"]["test"],
        "labels": made["labels"],
        "untrained": made.get("untrained", {}),
        "rejects": made["rejects"],
        "ignored": made.get("ignored", {}),
        "reading": made.get("reading", ""),
        "duplicates": made["duplicates"],
        "digest": made["digest"],
        "wall_s": made["wall_s"],
    }


def _clean(
    spec: PrepareSpec, source: RawSource, folder: str, execute: Execute, report: Report
) -> Selection:
    uris = [storage.join(folder, f"chunk-{n:06d}.parquet") for n in range(len(source.chunks))]
    tasks = [
        work.ChunkTask(chunk, spec, uri, source.about.get("licence"))
        for chunk, uri in zip(source.chunks, uris, strict=True)
    ]
    done = rejects = 0
    # Closed before the error goes on: no worker may still write where everything is deleted.
    with contextlib.closing(execute(work.decode_chunk, tasks)) as results:
        for result in results:
            done, rejects = done + result.items, rejects + result.rejects
            report(done, source.total, rejects=rejects)
            if rejects > allowed_rejects(spec, source.total):
                break
    if rejects > allowed_rejects(spec, source.total):
        raise _too_many(spec, source.total, rejects, uris)
    selection = select(spec, source, tuple(uris))
    if not selection.counts["train"]:
        noun = kinds.source_of(spec).noun
        left = f"{spec.source}: no training {noun} is left of {source.total:,} inputs"
        raise DataError(f"{left}, {rejects:,} rejected{_examples(uris) if rejects else ''}")
    return selection


def allowed_rejects(spec: PrepareSpec, total: int) -> float:
    return spec.max_rejects * total if spec.max_rejects < 1 else spec.max_rejects


def _too_many(spec: PrepareSpec, total: int, rejects: int, uris: list[str]) -> DataError:
    return DataError(
        f"{spec.source}: {rejects:,} of {total:,} inputs rejected, more than max_rejects = "
        f"{spec.max_rejects:g}{_examples(uris)}; remove them or raise max_rejects"
    )


def _examples(uris: list[str]) -> str:
    """The first two rejects and their reasons, in brackets."""
    table = work.read_index([uri for uri in uris if storage.exists(uri)])
    bad = table.filter(table.column("reason").is_valid()).sort_by("id")
    first = zip(bad["id"].to_pylist()[:2], bad["reason"].to_pylist()[:2], strict=True)
    return f" ({'; '.join(f'{shown(id)}: {shown(reason)}' for id, reason in first)})"


def _begin(spec: PrepareSpec, source: RawSource) -> str:
    """The folder for work files. Refuses the leftovers of another spec."""
    mine = _json(identity(spec))
    if not storage.create(_started(spec), mine) and storage.read_bytes(_started(spec)) != mine:
        raise SpecError(
            f"out = {spec.out!r}: an unfinished set of another spec lies there; finish it with "
            "that spec, or delete the folder"
        )
    return storage.join(spec.out, layout.WORK, source.fingerprint)


def _started(spec: PrepareSpec) -> str:
    return storage.join(spec.out, layout.WORK, "spec.json")


def _leave_nothing(out: str, fresh: bool) -> None:
    storage.delete_tree(storage.join(out, layout.WORK))
    if fresh and not storage.is_s3(out):
        with contextlib.suppress(OSError):
            Path(out).rmdir()


def _difference(made: Json, spec: PrepareSpec) -> str:
    before = _spec_of(made, spec)
    fields = [name for name, value in identity(spec).items() if before.get(name) != value]
    return ", ".join(f"{name} = {before.get(name)!r}" for name in fields[:3]) or "another spec"


def _json(value: Json) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode()
