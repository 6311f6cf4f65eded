"""Opt-out: a new version of a data set without some of its items.

The old set stays as it is. OUT/dataset.json is written last, and a command that was stopped is
finished by the same command. OUT/forgotten.json records what was removed: the SHA-256 of a random
salt and each id, so that a given id can be looked up but the list names nobody; or the ids.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from aigc import __version__, storage
from aigc.audit import open_log
from aigc.data import layout
from aigc.data.dataset import Dataset
from aigc.data.entries import first_of_meaning
from aigc.data.forgotten_items import Removal, find
from aigc.data.kept_items import KeptItems
from aigc.data.shards import compression
from aigc.errors import DataError, SpecError, listed
from aigc.types import Json, Report, silent

_STARTED = f"{layout.WORK}/forget.json"
RECORD = "forgotten.json"


@dataclass(frozen=True)
class Request:
    """What shall be forgotten. `near` takes near duplicates as well, `plain` records ids as they
    are, `missing_ok` passes over ids that the set does not have."""

    ids: tuple[str, ...]
    near: bool = False
    plain: bool = False
    missing_ok: bool = False

    def identity(self, dataset: Dataset) -> Json:
        """What a rerun must agree with."""
        ids = hashlib.sha256("\0".join(sorted(set(self.ids))).encode()).hexdigest()
        return {"from": dataset.digest, "ids": ids, "near": self.near, "plain": self.plain}


def forget(dataset: Dataset, asked: Request, out: str, report: Report = silent) -> Json:
    """Write `dataset` without the items of `asked` to `out`; returns the new `dataset.json`.

    Raises:
        SpecError: an id is not in the set, or `out` holds something else.
        DataError: the set is damaged, or nothing to train on would be left.
        AuditError: the removal cannot be logged.
    """
    out = storage.absolute(out)
    identity = asked.identity(dataset)
    if (made := _finished(out, identity)) is not None:
        return made
    storage.require_writable(out)
    removal = find(dataset, asked.ids, asked.near, report)
    if removal.missing and not asked.missing_ok:
        raise SpecError(
            f"ids: {listed(removal.missing, 5)}: not in {dataset.uri}; see the column id there, or "
            "pass over them with --missing-ok"
        )
    kept = KeptItems(dataset, removal.keep)
    if not kept.counts["train"]:
        raise DataError(f"{dataset.uri}: no training {dataset.title} would be left")
    storage.write_bytes(storage.join(out, _STARTED), _json(identity))
    files = {split: _written(dataset, removal, split, out) for split in layout.SPLITS}
    made = _described(dataset, kept, removal, identity, files)
    kept.write_reports(out, made, removal.ids)
    salt = secrets.token_hex(16)
    storage.write_bytes(storage.join(out, RECORD), _json(_record(removal, asked, made, salt)))
    open_log().record("data.forgotten", data=out, from_data=dataset.uri, **_logged(made))
    storage.write_bytes(storage.join(out, layout.MARKER), _json(made))
    storage.delete_tree(storage.join(out, layout.WORK))
    return made


def was_forgotten(record: Json, id: str) -> bool:
    """Whether `forgotten.json` names `id`."""
    name = id if record["form"] == "plain" else _hashed(record["salt"], id)
    return name in record["ids"]


def _finished(out: str, identity: Json) -> Json | None:
    made = storage.read_json(storage.join(out, layout.MARKER))
    if made is not None:
        if made.get("forgotten", {}).get("request") != identity:
            raise SpecError(f"out = {out}: holds another data set; choose an empty folder")
        storage.delete_tree(storage.join(out, layout.WORK))
        return made
    started = storage.read_json(storage.join(out, _STARTED))
    if started is None and (key := first_of_meaning(out)):
        raise SpecError(f"out = {out}: not empty ({key}); choose an empty folder")
    if started not in (None, identity):
        raise SpecError(
            f"out = {out}: an unfinished removal of other ids lies there; finish it with those, or "
            "delete the folder"
        )
    return None


def _written(dataset: Dataset, removal: Removal, split: str, out: str) -> list[Json]:
    """The split's files without what is removed; returns what `dataset.json` says of them."""
    storage.delete_tree(storage.join(out, split))
    keep, found, start = removal.keep[split], list[Json](), 0
    for file in dataset.info["files"][split]:
        stop = start + file["rows"]
        if keep[start:stop].any():
            found.append(_filtered(dataset, file, keep[start:stop], split, len(found), out))
        start = stop
    return found


def _filtered(
    dataset: Dataset, file: Json, keep: np.ndarray, split: str, number: int, out: str
) -> Json:
    """One file, row group by row group."""
    name = f"{split}/part-{number:05d}.parquet"
    source, target = storage.join(dataset.uri, file["file"]), storage.join(out, name)
    groups, start = list[int](), 0
    with storage.scratch_file(target) as scratch:
        with layout.parquet_errors(source), storage.open_input(source) as stream:
            parquet = pq.ParquetFile(stream)
            texts = dataset.columns[len(layout.columns(dataset.kind.column)) :]
            codecs = compression(dataset.kind, texts)
            schema = parquet.schema_arrow
            with pq.ParquetWriter(
                scratch, schema, compression=codecs, write_page_index=True
            ) as writer:
                for group, rows in enumerate(file["row_groups"]):
                    wanted = np.flatnonzero(keep[start : start + rows])
                    if len(wanted):
                        writer.write_table(parquet.read_row_group(group).take(wanted))
                        groups.append(len(wanted))
                    start += rows
        with scratch.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        size_bytes = scratch.stat().st_size
        storage.upload(scratch, target)
    return {
        "file": name,
        "rows": sum(groups),
        "size_bytes": size_bytes,
        "sha256": sha256,
        "row_groups": groups,
    }


def _described(
    dataset: Dataset, kept: KeptItems, removal: Removal, identity: Json, files: Json
) -> Json:
    """The new `dataset.json`."""
    forgotten = {
        "from": dataset.digest,
        "from_data": dataset.uri,
        "items": removal.count,
        "copies": removal.copies,
        "near": removal.near,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request": identity,
    }
    return {**dataset.info, "version": __version__, **kept.facts(), "files": files} | {
        "forgotten": forgotten
    }


def _record(removal: Removal, asked: Request, made: Json, salt: str) -> Json:
    """`forgotten.json`."""
    names: Sequence[str] = sorted(removal.ids)
    hashed = {} if asked.plain else {"salt": salt}
    form = "plain" if asked.plain else "SHA-256 of salt and id"
    listed_ids = names if asked.plain else sorted(_hashed(salt, name) for name in names)
    about = {name: made["forgotten"][name] for name in ("from", "items", "copies", "near", "at")}
    return {**about, "form": form, **hashed, "ids": list(listed_ids)}


def _hashed(salt: str, id: str) -> str:
    return hashlib.sha256(f"{salt}{id}".encode()).hexdigest()


def _logged(made: Json) -> Json:
    forgotten = made["forgotten"]
    return {"from": forgotten["from"], "digest": made["digest"], "items": forgotten["items"]}


def read_ids(text: str) -> tuple[str, ...]:
    """The ids of a file, one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def given_ids(lists: Collection[str]) -> tuple[str, ...]:
    """The ids of options, each one id or several divided by commas."""
    return tuple(part.strip() for text in lists for part in text.split(",") if part.strip())


def _json(value: Json) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode()
